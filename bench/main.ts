import { buildPackage } from './harness/built.ts'

const usage = `npm run bench -- SUITE [options]

  embedded    one process against the limit of the machine        --quick, --json FILE, --limit FILE
  broker      a broker over loopback against the same limit       --quick, --json FILE, --limit FILE
  group       three brokers that keep each message, the same      --quick, --json FILE, --limit FILE
  delay       messages that wait: how late they come, and what millions of them cost  --quick, --json FILE
  abuse       good clients beside 5,000 half-open sockets         --sockets N
  recovery    reopening after SIGKILL; peak memory under load     --gb N
  peers       beside other queues on this machine, where present
  apache      Apache's Java client against us and against Apache's broker  --quick, --json FILE
  start       how soon a server answers, its memory, and what it takes while idle  --group
  failover    leaders of a group killed under load: how long until it writes again, and that nothing is lost  --runs N, --planned, --json FILE
  catch-up    a follower comes back from far behind, under live load  --gb N, --cases LIST, --kills N, --json FILE
  membership  a group grows and shrinks under load, one to five nodes, whoever is killed: nothing is lost  --rounds N, --seed N
  mapping     what files mapped into memory would save and cost
  kinds       what keys and filters cost, beside plain sends       --quick, --json FILE
  micro       small parts on their own                            [NAME...]

Each suite explains its options with --help.
`

type Suite = (args: string[]) => Promise<void>

/** Loaded when asked for: a suite may want packages the others do without. */
const suites: Readonly<Record<string, () => Promise<Suite>>> = {
  embedded: async () => (await import('./embedded/suite.ts')).embeddedSuite,
  broker: async () => (await import('./broker/suite.ts')).brokerSuite,
  group: async () => (await import('./group/suite.ts')).groupSuite,
  delay: async () => (await import('./delay/suite.ts')).delaySuite,
  abuse: async () => (await import('./abuse/suite.ts')).abuseSuite,
  recovery: async () => (await import('./recovery/suite.ts')).recoverySuite,
  peers: async () => (await import('./peers/suite.ts')).peersSuite,
  apache: async () => (await import('./apache/suite.ts')).apacheSuite,
  start: async () => (await import('./start/suite.ts')).startSuite,
  failover: async () => (await import('./failover/suite.ts')).failoverSuite,
  'catch-up': async () => (await import('./catch-up/suite.ts')).catchUpSuite,
  membership: async () => (await import('./membership/suite.ts')).membershipSuite,
  kinds: async () => (await import('./kinds/suite.ts')).kindsSuite,
  mapping: async () => (await import('./mapping/suite.ts')).mappingSuite,
  micro: async () => (await import('./micro/suite.ts')).microSuite
}

/** These measure the sources, the others the built package. */
const ownSources = new Set(['mapping', 'micro'])

// an exit, unlike a signal, ends the measuring processes and removes their data
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

const [name, ...args] = process.argv.slice(2)
if (name === undefined || name === '--help' || name === '-h') {
  console.log(usage)
} else if (suites[name] === undefined) {
  console.error(`error: no suite is called '${name}'\n\n${usage}`)
  process.exitCode = 2
} else {
  try {
    if (!ownSources.has(name) && !args.includes('--help') && !args.includes('-h')) buildPackage()
    await (await suites[name]())(args)
  } catch (error) {
    console.error(`\nerror: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
