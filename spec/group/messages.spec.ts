import t from 'tap'
import { joinAnswer, joinRequest, health, room, whoIsAnswer } from '../../lib/group/messages.ts'
import { decodeManifest, encodeManifest } from '../../lib/group/catch-up-messages.ts'
import { isMqError } from '../../lib/base/index.ts'
import { makeNodeId } from '../../lib/replica/index.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const groupId = Uint8Array.from({ length: 16 }, (_, i) => i)
const founders = [makeNodeId(0, 77), makeNodeId(1, 2 ** 32 - 1), makeNodeId(2, 5)]
const members = founders.map((nodeId, i) => ({ nodeId, isVoter: i !== 1, address: i === 2 ? '' : `10.0.0.${i}:40911` }))
const manifest = { groupId, formatVersion: 1, index: 900, term: 7, endPosition: 123_456, floor: { index: 10, term: 2, physicalOffset: 4000 }, baseBytes: 77, baseChecksum: groupId.subarray(0, 8) }

t.test('what nodes tell each other of their group comes as it was said', async (t) => {
  for (const group of [null, { groupId, founders, leaderId: founders[1]!, members }, { groupId, founders: [], leaderId: 0, members: [] }, { groupId, founders, leaderId: 0, members: members.slice(2) }]) {
    t.same(whoIsAnswer.decode(whoIsAnswer.encode({ nodeId: founders[0]!, group })), { nodeId: founders[0], group })
  }
  t.match(decodeManifest(encodeManifest(manifest)), { index: 900, floor: manifest.floor })
})

t.test('bytes that were tampered with are read in no time, or refused', async (t) => {
  const random = new SeededRandom(5)
  const codecs = [
    { decode: whoIsAnswer.decode, bytes: whoIsAnswer.encode({ nodeId: founders[0]!, group: { groupId, founders, leaderId: founders[1]!, members } }) },
    { decode: joinRequest.decode, bytes: joinRequest.encode({ groupId, address: '10.0.0.1:40911', wantsVote: true }) },
    { decode: joinAnswer.decode, bytes: joinAnswer.encode({ role: 'learner' }) },
    { decode: room.decode, bytes: room.encode({ hasRoom: true }) },
    { decode: health.decode, bytes: health.encode({ flushMs: 1.5 }) },
    { decode: decodeManifest, bytes: encodeManifest(manifest) }
  ]
  const hugeCount = [0x80, 0xe1, 0xeb, 0x17]
  let refused = 0
  const wrong: unknown[] = []
  for (const { decode, bytes } of codecs) {
    const decoded = (what: Uint8Array): void => {
      try {
        decode(what)
      } catch (error) {
        refused++
        if (!isMqError(error)) wrong.push(error)
      }
    }
    for (let cut = 0; cut < bytes.length; cut++) decoded(bytes.subarray(0, cut))
    for (let at = 1; at < bytes.length; at++) decoded(Uint8Array.from([...bytes.subarray(0, at), ...hugeCount, ...bytes.subarray(at + 1)]))
    for (let n = 0; n < 2000; n++) decoded(bytes.map((byte, i) => i > 0 && random.next() < 0.1 ? Math.floor(random.next() * 256) : byte))
  }
  t.same(wrong, [])
  t.ok(refused > 1000, `${refused} were refused`)
})
