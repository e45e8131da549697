import t from 'tap'
import { NodeClock, VirtualClock } from '../../lib/adapters/index.ts'
import { MemoryNetwork, MemoryPeerNetwork } from '../../lib/transport/index.ts'
import { ANY, heartbeat, member, peerNetworkConformance } from './peer-network-conformance.ts'

peerNetworkConformance(t, 'memory', (t) => {
  const clock = new NodeClock()
  const network = new MemoryNetwork(clock)
  return {
    open: (self, options) => {
      const end = new MemoryPeerNetwork({ clock, network, self, ...options })
      t.teardown(() => end.close())
      return end
    }
  }
})

t.test('a cut loses calls, answers and messages alike, until it is healed', async (t) => {
  const clock = new VirtualClock({ deferred: 'stepped' })
  const network = new MemoryNetwork(clock)
  const [one, two] = [1, 2].map((nodeId) => new MemoryPeerNetwork({ clock, network, self: () => member(nodeId) }))
  const addresses = new Map([[1, await one!.listen(ANY)], [2, await two!.listen(ANY)]])
  one!.setPeers(addresses)
  let handled = 0
  two!.onCall('count', () => Uint8Array.of(++handled))
  const outcome = async (): Promise<unknown> => {
    let result: unknown
    one!.call(2, 'count', new Uint8Array(0), { timeoutMs: 1000 }).then((answer) => { result = answer[0] }, (error) => { result = error.code })
    await clock.runUntil(() => result !== undefined)
    return result
  }
  t.equal(await outcome(), 1)
  network.cut(1, 2)
  t.equal(await outcome(), 'MQ_TIMEOUT')
  t.equal(handled, 1)
  network.heal()
  network.cut(2, 1)
  t.equal(await outcome(), 'MQ_TIMEOUT')
  t.equal(handled, 2, 'its answer was lost')
  t.notOk(one!.linkStats()[0]!.isConnected)
  network.heal()
  t.equal(await outcome(), 3)
  const received: number[] = []
  two!.transport().start(({ term }) => received.push(term))
  const transport = one!.transport()
  transport.start(() => {})
  network.cut(1, 2)
  transport.send([heartbeat(1, 2, 1)])
  network.heal()
  transport.send([heartbeat(1, 2, 2)])
  await clock.advance(1)
  t.same(received, [2])
})
