#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { isMqError } from '../base/index.ts'

interface PackageFacts { readonly version: string, readonly description: string }

const { version, description } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as PackageFacts

const program = new Command('ledgermq')
  .description(description)
  .version(version)
  .showHelpAfterError()

// Each command is loaded when it runs: help needs none of the engine.
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
  console.error(isMqError(error) ? `ledgermq: ${error.code}: ${error.message}` : error)
  process.exitCode = 1
})
