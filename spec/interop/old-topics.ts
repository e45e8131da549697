import { NodeClock } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { directoryPorts, Engine } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { put, topicConfig, wireMessage } from '../engine/wire.ts'

const HOUR_MS = 3_600_000
const KIB = 1024
const QUEUES = 4
const FIRST_MESSAGES = 400
/** At least; the later ones are shorter. */
export const FIRST_MESSAGES_BYTES = KIB
/** Of each topic those that are left, and to be found by time. */
export const LATER_MESSAGES = 12

/** Between the first messages and the later ones, as clients write a time. */
export const betweenBoth = javaTime(Date.now() - 1.5 * HOUR_MS)

/**
 * Makes data in which these topics are old: their first messages, sent two hours ago, were removed; some sent an hour ago are
 * left. Retention of a broker by time would need those hours.
 */
export async function makeOldTopics (directory: string, topics: readonly string[]): Promise<void> {
  await sent(directory, 2 * HOUR_MS, async (engine) => {
    for (let n = 0; n < FIRST_MESSAGES; n++) for (const topic of topics) await put(engine, topic, wireMessage(`first-${n} ${'x'.repeat(FIRST_MESSAGES_BYTES)}`, { queueId: n % QUEUES }), topicConfig(topic, QUEUES))
  })
  await sent(directory, HOUR_MS, async (engine) => {
    for (let n = 0; n < LATER_MESSAGES; n++) for (const topic of topics) await put(engine, topic, wireMessage(`later-${n}`, { queueId: n % QUEUES }), topicConfig(topic, QUEUES))
    await engine.runRetention()
  })
}

/** The clock goes on as it does, so much behind. */
async function sent (directory: string, behindMs: number, send: (engine: Engine) => Promise<void>): Promise<void> {
  const real = new NodeClock()
  const clock = { wallMs: () => real.wallMs() - behindMs, nowMs: () => real.nowMs(), defer: (fn: () => void) => { real.defer(fn) }, setTimer: (delayMs: number, fn: () => void) => real.setTimer(delayMs, fn) }
  const options = checkOpenOptions(directory, { logger: silentLogger, retention: { maxAgeMs: Infinity, maxBytes: 256 * KIB }, limits: { segmentBytes: 64 * KIB, maxEntryBytes: 16 * KIB } })
  const engine = await Engine.open({ ...options, directory, ports: { ...directoryPorts(directory), clock } })
  try {
    await send(engine)
  } finally {
    await engine.close()
  }
}

/** `yyyyMMddHHmmss` of this machine's time zone. */
function javaTime (ms: number): string {
  const date = new Date(ms)
  return [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join('')
}
