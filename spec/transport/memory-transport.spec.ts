import t from 'tap'
import { NodeClock } from '../../lib/adapters/index.ts'
import { MemoryNetwork } from '../../lib/transport/index.ts'
import { transportConformance } from '../support/transport-conformance.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

transportConformance(t, 'memory', () => {
  const network = new MemoryNetwork(new NodeClock())
  return { transport: (nodeId) => network.transport(nodeId), delivered: nextTurn }
})

t.test('links can be cut one way, and what is under way goes with them', async (t) => {
  const network = new MemoryNetwork(new NodeClock())
  const received: number[] = []
  const one = network.transport(1)
  const two = network.transport(2)
  one.start(({ term }) => received.push(-term))
  two.start(({ term }) => received.push(term))
  const send = (from: 1 | 2, term: number): void => {
    (from === 1 ? one : two).send([{ type: 'heartbeat', from, to: from === 1 ? 2 : 1, term, commitIndex: 0, readSequence: 0 }])
  }
  send(1, 1)
  network.cut(1, 2)
  send(2, 2)
  await nextTurn()
  t.same(received, [-2])
  network.heal()
  send(1, 3)
  await nextTurn()
  t.same(received, [-2, 3])
})
