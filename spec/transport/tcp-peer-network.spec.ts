import t, { type Test } from 'tap'
import { NodeClock, NodeRandom, NodeSockets, SharedSecret } from '../../lib/adapters/index.ts'
import { TcpPeerNetwork, type PeerNetwork, type SelfDescription } from '../../lib/transport/index.ts'
import { transportConformance } from '../support/transport-conformance.ts'
import { ANY, linked, member, peerNetworkConformance, until } from './peer-network-conformance.ts'

const clock = new NodeClock()

function open (t: Test, self: () => SelfDescription, { secret }: { readonly secret?: string } = {}): PeerNetwork {
  const end = new TcpPeerNetwork({ clock, random: new NodeRandom(), network: new NodeSockets(), self, ...(secret !== undefined && { secret: new SharedSecret(secret) }) })
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
