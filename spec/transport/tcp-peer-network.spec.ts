import t, { type Test } from 'tap'
import { NodeClock, NodeRandom, NodeSockets, SharedSecret } from '../../lib/adapters/index.ts'
import { TcpPeerNetwork, type PeerNetwork, type SelfDescription } from '../../lib/transport/index.ts'
import { transportConformance } from '../support/transport-conformance.ts'
import type { RaftMessage } from '../../lib/raft/index.ts'
import { PROTOCOL_MINOR } from '../../lib/transport/headers.ts'
import { ANY, heartbeat, linked, member, peerNetworkConformance, until } from './peer-network-conformance.ts'

const clock = new NodeClock()

function open (t: Test, self: () => SelfDescription, { secret, protocolMinor }: { readonly secret?: string, readonly protocolMinor?: number } = {}): PeerNetwork {
  const end = new TcpPeerNetwork({ clock, random: new NodeRandom(), network: new NodeSockets(), self, ...(secret !== undefined && { secret: new SharedSecret(secret) }), ...(protocolMinor !== undefined && { protocolMinor }) })
  t.teardown(() => end.close())
  return end
}

peerNetworkConformance(t, 'tcp', (t) => ({ open: (self, options) => open(t, self, options) }))

transportConformance(t, 'tcp', async (t) => {
  const ends = [1, 2].map((nodeId) => open(t, () => member(nodeId)))
  const addresses = new Map([[1, await ends[0]!.listen(ANY)], [2, await ends[1]!.listen(ANY)]])
  for (const end of ends) end.setPeers(addresses)
  await until(() => linked(ends[0]!, 2) && linked(ends[1]!, 1))
  return {
    transport: (nodeId) => ends[nodeId - 1]!.transport(),
    delivered: async () => await until(() => {
      const [one, two] = ends.map((end) => end.linkStats()[0]!)
      return one!.waitingBytes + two!.waitingBytes === 0 && one!.bytesOut === two!.bytesIn && two!.bytesOut === one!.bytesIn
    })
  }
})

t.test('a node that speaks an older minor version, and one that speaks the newest, are linked whoever connects; it reads what it knows', async (t) => {
  for (const [first, second] of [[0, PROTOCOL_MINOR], [PROTOCOL_MINOR, 0], [0, 0]] as const) {
    const minors = [first, second]
    const ends = minors.map((protocolMinor, i) => open(t, () => member(i + 1, { formatVersion: 2, groupFormat: 1 }), { secret: 'right', protocolMinor }))
    const received: RaftMessage[] = []
    const transports = ends.map((end) => end.transport())
    for (const transport of transports) transport.start((message) => { received.push(message) })
    // only one of them knows where the other is, and makes the links
    ends[0]!.setPeers(new Map([[2, await ends[1]!.listen(ANY)]]))
    await until(() => linked(ends[0]!, 2) && linked(ends[1]!, 1))
    transports[0]!.send([heartbeat(1, 2, 7)])
    transports[1]!.send([heartbeat(2, 1, 8)])
    await until(() => received.length === 2)
    t.same(received.map(({ term }) => term).sort(), [7, 8], minors.join())
  }
  const older = open(t, () => member(1, { formatVersion: 1 }), { protocolMinor: 0 })
  const newer = open(t, () => member(2, { formatVersion: 2, groupFormat: 2 }))
  const address = await newer.listen(ANY)
  await t.rejects(older.callAddress(address, 'any', new Uint8Array(0), { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', refusal: 'format-version', message: /group writes data format 2, node 1 reads up to 1/ })
  await t.rejects(newer.callAddress(await older.listen(ANY), 'any', new Uint8Array(0), { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', refusal: 'format-version' }, 'found by the newer side alone: the older one does not hear of the format')
})
