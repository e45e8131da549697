import type { Test } from 'tap'
import type { NodeId, RaftEntry, RaftMessage } from '../../lib/raft/index.ts'
import type { Transport } from '../../lib/replica/index.ts'

export interface TransportsUnderTest {
  /** The end of the network at one node; asked for again after `close`, a new end of the same node. */
  transport (nodeId: NodeId): Transport
  /** Resolves when everything sent before has arrived. */
  delivered (): Promise<void>
}

/** What a replica relies on, of any transport. */
export function transportConformance (t: Test, name: string, make: (t: Test) => TransportsUnderTest | Promise<TransportsUnderTest>): void {
  t.test(`${name}: messages of a link arrive once and in order, none before send has returned`, async (t) => {
    const { transport, delivered } = await make(t)
    const received: RaftMessage[] = []
    const one = transport(1)
    const two = transport(2)
    one.start(() => t.fail('nothing was sent to node 1'))
    two.start((message) => received.push(message))
    one.send([heartbeat(1, 2, 1), heartbeat(1, 2, 2)])
    one.send([heartbeat(1, 2, 3)])
    t.equal(received.length, 0)
    await delivered()
    t.same(received.map(({ term }) => term), [1, 2, 3])
    await one.close()
    await two.close()
  })

  t.test(`${name}: entries arrive byte for byte, and are the receiver's own`, async (t) => {
    const { transport, delivered } = await make(t)
    const received: RaftMessage[] = []
    const one = transport(1)
    const two = transport(2)
    one.start(() => {})
    two.start((message) => received.push(message))
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i * 7)
    one.send([append(1, 2, [entry(5, bytes.subarray(0, 1000)), entry(6, bytes.subarray(1000))])])
    await delivered()
    const [message] = received
    t.equal(message?.type, 'appendEntries')
    if (message?.type !== 'appendEntries') return
    t.same(message.entries.map(({ index, sizeBytes }) => [index, sizeBytes]), [[5, 1000], [6, 2000]])
    t.ok(Buffer.concat(message.entries.map(({ bytes }) => bytes)).equals(bytes))
    const [first, second] = message.entries
    t.not(first!.bytes.buffer, bytes.buffer)
    t.same([second!.bytes.buffer === first!.bytes.buffer, second!.bytes.byteOffset - first!.bytes.byteOffset], [true, 1000], 'back to back in one piece of memory')
    await one.close()
    await two.close()
  })

  t.test(`${name}: what goes to nobody, or to an end that is closed, is lost without an error`, async (t) => {
    const { transport, delivered } = await make(t)
    const one = transport(1)
    const two = transport(2)
    one.start(() => {})
    two.start(() => t.fail('closed'))
    one.send([heartbeat(1, 3, 1)])
    await two.close()
    one.send([heartbeat(1, 2, 1)])
    await delivered()
    await one.close()
    one.send([heartbeat(1, 2, 2)])
    await delivered()
  })

  t.test(`${name}: a node that comes back gets what is sent from then on`, async (t) => {
    const { transport, delivered } = await make(t)
    const one = transport(1)
    one.start(() => {})
    const before = transport(2)
    before.start(() => t.fail('the end before'))
    await before.close()
    const received: RaftMessage[] = []
    const after = transport(2)
    after.start((message) => received.push(message))
    one.send([heartbeat(1, 2, 9)])
    await delivered()
    t.same(received.map(({ term }) => term), [9])
    await one.close()
    await after.close()
  })
}

function heartbeat (from: NodeId, to: NodeId, term: number): RaftMessage {
  return { type: 'heartbeat', from, to, term, commitIndex: 0, readSequence: 0, doubtLife: 0, lastIndex: 0 }
}

function append (from: NodeId, to: NodeId, entries: readonly RaftEntry[]): RaftMessage {
  return { type: 'appendEntries', from, to, term: 1, prevIndex: 4, prevTerm: 1, entries, commitIndex: 4 }
}

function entry (index: number, bytes: Uint8Array): RaftEntry {
  return { index, term: 1, prevTerm: 1, kind: 1, physicalOffset: index * 1000, sizeBytes: bytes.length, bytes }
}
