import { createHash } from 'node:crypto'
import t from 'tap'
import * as message from '../../lib/message/index.ts'
import type { CommandType } from '../../lib/message/index.ts'
import { DATA_FORMAT_VERSION } from '../../lib/replica/index.ts'
import * as dedupe from '../../lib/store/dedupe-commands.ts'
import * as delay from '../../lib/store/delay-commands.ts'
import * as half from '../../lib/store/half-commands.ts'
import * as keyed from '../../lib/store/keyed-commands.ts'
import * as lock from '../../lib/store/lock-commands.ts'
import * as pop from '../../lib/store/pop-commands.ts'
import { HeaderCodecs } from '../../lib/transport/headers.ts'

/**
 * What each data format has brought into the log: commands, with the newest version of their schema. A command that is new, or
 * whose schema has changed, belongs to the newest format while that is not released, else to a new one; and until `store.formatVersion`
 * has reached it, it is not written.
 */
const formats = [
  `putTopic 1, deleteTopic 1, putGroup 2, deleteGroup 1, putSetting 1, commitConsumerOffset 1, setResetOffset 1, clearResetOffset 1, setFloor 1,
   popOpen 1, popCheckOut 1, popAck 1, popChangeInvisible 1, popReturn 1, popReleaseOwner 1, popSeek 1, popForget 1, lockQueues 1, unlockQueues 1,
   delaySchedule 1, delayDeliver 1, delayRemove 1`,
  'raiseFormat 1',
  'halfPrepare 1, halfCommit 1, halfEnd 1, halfCheck 1, halfMove 1, halfDiscard 1, halfRevive 1, dedupeRemember 1, dedupeForget 1, keyedChange 1, delaySchedules 1'
]

/** Of each minor version of the protocol between nodes, a digest of its headers: what was spoken once is not changed any more. */
const minors = ['c6c1a3db466b3818', '50a225c355b4e994']

t.test('what stands in the log is what its format says', async (t) => {
  const commands = new Map([message, dedupe, delay, half, keyed, lock, pop].flatMap((room) => Object.values(room as Record<string, unknown>))
    .filter((value): value is CommandType<unknown> => typeof value === 'object' && value !== null && 'decode' in value && 'version' in value && 'type' in value)
    .map(({ name, version }) => [name, version] as const))
  t.equal(formats.length, DATA_FORMAT_VERSION)
  const said = formats.flatMap((text) => [...text.matchAll(/(\w+) (\d+)/g)].map(([, name, version]) => [name, Number(version)] as const))
  t.same([...commands].sort(), [...new Map(said)].sort())
})

t.test('minor versions of the protocol between nodes stay as they were', async (t) => {
  for (const [minor, digest] of minors.entries()) {
    t.equal(createHash('sha256').update(JSON.stringify(HeaderCodecs.fieldsOf(minor))).digest('hex').slice(0, 16), digest, `minor version ${minor}`)
  }
})
