import { parametersOf, type Parameters } from './parameters.ts'

/** Worlds in which something was wrong once: they are always run again, before any other. */
export interface Regression {
  readonly seed: number
  /** What was wrong. */
  readonly was: string
  /** Its world, as `--trace` prints it first: what the seed alone draws may be another one next year. */
  readonly parameters?: Partial<Parameters>
}

/** A node loses its disk while entries are small, appends hold little, and the head of the log goes. */
const lagging = '{"level":"member","nodeCount":3,"mode":"safety","temper":"ordinary","tickMs":50,"faultyMs":10481.298156548291,"maxSteps":3794.502223143354,"minDelayMs":0.47807861212641,"maxDelayMs":6.4892914881929755,"lossRate":0.0136475860606879,"duplicateRate":0,"straggleRate":0,"straggleMs":2322.9084039572626,"partitionEveryMs":3731.89677298069,"partitionMs":506.0449405340478,"oneWayPartitions":true,"minDiskMs":0.19342175836209208,"maxDiskMs":1.2705736655043438,"slowDiskRate":0.008804823262616992,"slowDiskMs":514.4543416798115,"diskErrorEveryMs":null,"stuckEveryMs":null,"stuckMs":4428.020614013076,"alignBytes":512,"flipEveryMs":1272.353163571097,"wipeEveryMs":2417.9588633123785,"loseVoteEveryMs":null,"loseStateEveryMs":null,"crashEveryMs":1315.6102841254324,"crashMs":473.05802040500566,"powerCuts":false,"asyncFlush":true,"keeps":["none","all","random","reorder"],"pauseEveryMs":null,"pauseMs":704.8575468361378,"clockDrift":0,"clockStepEveryMs":null,"clockStepMs":3600000,"rumourEveryMs":907.2889358969405,"proposeEveryMs":12.861230783164501,"burst":10,"payloadBytes":0,"readEveryMs":391.20178319280967,"transferEveryMs":null,"membershipEveryMs":1056.1789250932634,"checkpointEntries":10000,"segmentBytes":65536,"tailCacheBytes":32768,"maxEntryBytes":65536,"stateMachine":"store","retention":true,"chunkBytes":500,"maxBytesPerAppend":1000,"maxInflightAppends":3,"maxUndecidedEntries":2,"decisionTimeoutMs":4000,"rebuilds":false}'

/** A queue is closed while the head of its log goes and what waits there is stored anew. */
const closing = '{"level":"member","nodeCount":3,"mode":"safety","temper":"ordinary","tickMs":50,"faultyMs":11208.875170443207,"maxSteps":3467.0483481604606,"minDelayMs":0.11733299819752574,"maxDelayMs":8.289622487965971,"lossRate":0.09575210500042886,"duplicateRate":0,"straggleRate":0,"straggleMs":2815.1104324497283,"partitionEveryMs":null,"partitionMs":1274.0989797282964,"oneWayPartitions":false,"minDiskMs":0.07822762988507748,"maxDiskMs":20.18011411454063,"slowDiskRate":0.011310951565392316,"slowDiskMs":453.6573635530658,"diskErrorEveryMs":null,"stuckEveryMs":1421.0928343236446,"stuckMs":535.2491780882701,"alignBytes":512,"flipEveryMs":2153.0330744571984,"wipeEveryMs":null,"loseVoteEveryMs":null,"loseStateEveryMs":2774.2765869479626,"crashEveryMs":1843.3326706755906,"crashMs":758.5915521718562,"powerCuts":false,"asyncFlush":false,"keeps":["none","all","random","reorder"],"pauseEveryMs":null,"pauseMs":674.2669674102217,"clockDrift":0.11011021216399969,"clockStepEveryMs":2432.327329996042,"clockStepMs":60000,"rumourEveryMs":null,"proposeEveryMs":26.986681044800207,"burst":10,"payloadBytes":0,"readEveryMs":266.37165040010586,"transferEveryMs":null,"membershipEveryMs":null,"checkpointEntries":20,"segmentBytes":65536,"tailCacheBytes":4096,"maxEntryBytes":4096,"stateMachine":"counter","retention":true,"chunkBytes":64000,"maxBytesPerAppend":65536,"maxInflightAppends":1,"maxUndecidedEntries":16,"decisionTimeoutMs":4000,"rebuilds":true,"closeEveryMs":824.1949606454}'

/** What was not drawn when these worlds were. */
const unknownThen = { focus: 'everything', kinds: [], diskErrorTimes: 1, fullEveryMs: Infinity, capacityBytes: Infinity, reserveBytes: 0 } as const

export const regressions: readonly Regression[] = [
  { seed: 352, was: 'a leader stopped when the head of its log was removed while it read what a follower lacks', parameters: { ...unknownThen, ...parametersOf(lagging) } },
  { seed: 1398794237, was: 'removing the head of a log failed with an error of the database when the queue was closed meanwhile', parameters: { ...unknownThen, ...parametersOf(closing) } },
  { seed: 979801517, was: 'a state was not made anew where all of a queue lay below the floor and the head of the log did not tell its time' }
]
