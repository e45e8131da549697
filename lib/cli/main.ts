#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { failureText } from './command-error.ts'
import type { LogFormat } from './logger.ts'

interface PackageFacts { readonly version: string, readonly description: string }

const { version, description } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageFacts

const program = new Command('ledgermq')
  .description(description)
  .version(version)
  .showHelpAfterError()

const logOption = (): Option => new Option('--log <format>', 'events on stderr, for people or for programs').choices(['text', 'json']).default('text')

// Each command is loaded when it runs: help needs none of the engine.
program.command('namesrv')
  .description('run a name server, which tells clients where brokers and their topics are')
  .option('-c, --config <file>', 'configuration, .properties')
  .option('--bind <host>', 'address to listen on, 0.0.0.0 for all (default: bindAddress of the file, or 127.0.0.1)')
  .option('-p, --print', 'print what is in force, with where each value came from, and end')
  .addOption(logOption())
  .addHelpText('after', `
Examples:
  $ ledgermq namesrv                          # on 127.0.0.1:9876
  $ ledgermq namesrv --bind 0.0.0.0           # for other machines, too
  $ ledgermq namesrv -c namesrv.properties -p # what the file comes to

SIGTERM and SIGINT stop it: requests under way are answered first. A second one ends it at once.`)
  .action(async (options: { config?: string, bind?: string, print?: boolean, log: LogFormat }) => {
    process.exitCode = await (await import('./namesrv.ts')).namesrv({ ...options, version })
  })

program.command('stats')
  .description('topics, groups and log of a data directory that is not open elsewhere')
  .argument('<dir>', 'the data directory')
  .option('--json', 'as JSON')
  .action(async (directory: string, options: { json?: boolean }) => { await (await import('./stats.ts')).stats(directory, options.json === true) })

program.command('verify')
  .description('read every entry of the log and check it; like every start, this cuts a torn tail')
  .argument('<dir>', 'the data directory')
  .action(async (directory: string) => { process.exitCode = await (await import('./verify.ts')).verify(directory) })

program.command('repair')
  .description('make a damaged directory usable again: says what would go, and with --yes removes it')
  .argument('<dir>', 'the data directory')
  .option('--yes', 'do it')
  .action(async (directory: string, options: { yes?: boolean }) => { process.exitCode = await (await import('./repair.ts')).repair(directory, options.yes === true) })

// no top-level await: the file may be loaded by require too
program.parseAsync().catch((error: unknown) => {
  console.error(failureText(error))
  process.exitCode = 1
})
