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

const brokerOptions = (command: Command): Command => command
  .option('-c, --config <file>', 'configuration of the broker, .properties')
  .option('--data <dir>', 'directory of all data (default: storePathRootDir of the file, or ./ledgermq-data)')
  .option('--bind <host>', 'address to listen on, 0.0.0.0 for all (default: bindAddress of the file, or 127.0.0.1)')
  .option('--advertise <host[:port]>', 'what clients are told to connect to, when that is another address')
  .option('-p, --print', 'print what is in force, with where each value came from, and end')
  .addOption(logOption())

const STOPPING = 'SIGTERM and SIGINT stop it: requests under way are answered first. A second one ends it at once.'

// Each command is loaded when it runs: help needs none of the engine.
brokerOptions(program.command('start')
  .description('run a broker and a name server in one process: all that RocketMQ\'s clients need')
  .option('--namesrv-conf <file>', 'configuration of the name server, .properties'))
  .addHelpText('after', `
Examples:
  $ ledgermq start                                        # name server 127.0.0.1:9876, broker 127.0.0.1:10911, data in ./ledgermq-data
  $ ledgermq start --data /var/lib/ledgermq -c broker.conf
  $ ledgermq start --bind 0.0.0.0 --advertise mq.example  # for clients on other machines

${STOPPING}`)
  .action(async (options: { log: LogFormat }) => { process.exitCode = await (await import('./start.ts')).start({ ...options, version }) })

brokerOptions(program.command('broker')
  .description('run a broker')
  .option('-n, --namesrv <host:port>', 'name servers to register with, ; between them (default: namesrvAddr of the file, or NAMESRV_ADDR)'))
  .addHelpText('after', `
Examples:
  $ ledgermq broker -n 127.0.0.1:9876
  $ ledgermq broker -c broker.conf -n 'ns1:9876;ns2:9876' --data /var/lib/ledgermq
  $ ledgermq broker -c broker.conf -p                     # what the file comes to

${STOPPING}`)
  .action(async (options: { log: LogFormat }) => { process.exitCode = await (await import('./broker.ts')).broker({ ...options, version }) })

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

${STOPPING}`)
  .action(async (options: { config?: string, bind?: string, print?: boolean, log: LogFormat }) => {
    process.exitCode = await (await import('./namesrv.ts')).namesrv({ ...options, version })
  })

program.command('group')
  .description('run a group of several nodes on this machine, for developing: a process per node, the name server in this one')
  .option('--nodes <n>', 'how many', '3')
  .option('--data <dir>', 'directory of all nodes, each with its configuration', './ledgermq-group')
  .option('--port <port>', 'of the first node; the others have those 10, 20, ... above', '10911')
  .option('--namesrv-port <port>', 'of the name server', '9876')
  .addOption(logOption())
  .addHelpText('after', `
Examples:
  $ ledgermq group                            # n0, n1, n2 on 127.0.0.1:10911, 10921, 10931; name server on 127.0.0.1:9876
  $ ledgermq group --nodes 3 --data /tmp/group
  $ ledgermq transfer n1                      # meanwhile, elsewhere

A node that ends is started again: kill the leader's process to see another one take over.
${STOPPING}`)
  .action(async (options: { nodes: string, data: string, port: string, namesrvPort: string, log: LogFormat }) => {
    process.exitCode = await (await import('./group.ts')).group({ ...options, version })
  })

const namesrvOption = (): Option => new Option('-n, --namesrv <host:port>', 'the name server to ask').env('NAMESRV_ADDR').default('127.0.0.1:9876')

program.command('status')
  .description('who leads, and how far each node of every group is')
  .addOption(namesrvOption())
  .option('--json', 'as JSON')
  .action(async (options: { namesrv: string, json?: boolean }) => { process.exitCode = await (await import('./status-command.ts')).status(options) })

program.command('transfer')
  .description('have another node of a group lead; clients are served all the while')
  .argument('<node>', 'the node, such as n1')
  .addOption(namesrvOption())
  .option('--broker <name>', 'the brokerName of the group, where there are several')
  .action(async (node: string, options: { namesrv: string, broker?: string }) => { await (await import('./transfer.ts')).transfer(node, options) })

program.command('rolling-restart')
  .description('restart the nodes of a group one after the other, while it serves: those that follow, then the leader, which hands over before')
  .requiredOption('--command <command>', 'what restarts one node, for the shell; it finds LEDGERMQ_NODE (n1), LEDGERMQ_ADDRESS, LEDGERMQ_HOST and LEDGERMQ_PORT in its environment')
  .addOption(namesrvOption())
  .option('--broker <name>', 'the brokerName of the group, where there are several')
  .option('--timeout <seconds>', 'a node that has not come back, with the whole log, after so long ends it', '120')
  .option('--pause <seconds>', 'between the hand-over and the restart of the former leader: clients look that often who leads', '30')
  .option('--dry-run', 'say what would be restarted, in which order')
  .addHelpText('after', `
Examples:
  $ ledgermq rolling-restart -n ns1:9876 --command 'ssh $LEDGERMQ_HOST systemctl restart ledgermq'
  $ ledgermq rolling-restart --command 'kill $(cat ledgermq-group/$LEDGERMQ_NODE/data/lock.pid)'   # of ledgermq group, which starts what ends

It stops at the first node whose command fails or that does not come back; the others run on as they are. Status 1 then.`)
  .action(async (options: { command: string, namesrv: string, broker?: string, timeout: string, pause: string, dryRun?: boolean }) => { await (await import('./rolling-restart.ts')).rollingRestart(options) })

program.command('add-node')
  .description('let a further node join a group that runs; two together become voters, one waits for a place')
  .argument('<node>', 'the node, such as n3')
  .argument('<address>', 'where it listens for the other nodes, HOST:PORT')
  .addOption(namesrvOption())
  .option('--broker <name>', 'the brokerName of the group, where there are several')
  .addHelpText('after', `
Examples:
  $ ledgermq add-node n3 host3:10911 && ledgermq add-node n4 host4:10911   # from three nodes to five
  $ ledgermq add-node n3 host3:10911 && ledgermq remove-node n0            # n3 takes the place of n0, once it has caught up

The node is started as the others were: its dLegerPeers names itself and one or more of the group.`)
  .action(async (node: string, address: string, options: { namesrv: string, broker?: string }) => { await (await import('./nodes.ts')).addNode(node, address, options) })

program.command('remove-node')
  .description('take nodes out of a group that runs, in one step; what they hold is not touched')
  .argument('<nodes...>', 'the nodes, such as n3')
  .addOption(namesrvOption())
  .option('--broker <name>', 'the brokerName of the group, where there are several')
  .action(async (nodes: string[], options: { namesrv: string, broker?: string }) => { await (await import('./nodes.ts')).removeNodes(nodes, options) })

program.command('resend')
  .description('send dead letters of a consumer group again, to the topics they were first sent to; each once, however often this is called or cut short')
  .argument('<group>', 'the consumer group')
  .addOption(namesrvOption())
  .option('--broker <name>', 'the brokerName, where there are several')
  .option('--data <dir>', 'a data directory that is not open elsewhere, in place of a broker')
  .option('--topic <name>', 'only those that were first sent to this topic')
  .option('--id <id...>', 'only these: by their own id, that of the first message, or its UNIQ_KEY')
  .addHelpText('after', `
Examples:
  $ ledgermq resend mailers                                 # all, at the broker that the name server on this machine knows
  $ ledgermq resend mailers --topic email -n ns1:9876
  $ ledgermq resend mailers --data ./data --id 7F0000010000000000000000000002B5`)
  .action(async (group: string, options: { namesrv: string, broker?: string, data?: string, topic?: string, id?: string[] }) => { await (await import('./resend.ts')).resend(group, options) })

program.command('stats')
  .description('topics, groups and log of a data directory that is not open elsewhere')
  .argument('<dir>', 'the data directory')
  .option('--json', 'as JSON')
  .action(async (directory: string, options: { json?: boolean }) => { await (await import('./stats.ts')).stats(directory, options.json === true) })

program.command('explain')
  .description('where a message of a data directory is that is not open elsewhere, and what each group has made of it')
  .argument('<dir>', 'the data directory')
  .argument('<id>', 'the id of the message')
  .option('--json', 'as JSON')
  .action(async (directory: string, id: string, options: { json?: boolean }) => { await (await import('./explain.ts')).explain(directory, id, options.json === true) })

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
