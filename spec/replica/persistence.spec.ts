import t from 'tap'
import type { AppendEntriesReply, HardState, MessageAfterPersist, RaftEntry, RaftMessage, Ready } from '../../lib/raft/index.ts'
import { Persistence } from '../../lib/replica/persistence.ts'

const TERM_2: HardState = { term: 2, vote: 0 }

function ack (index: number, over: Partial<AppendEntriesReply> = {}, hardState?: HardState): MessageAfterPersist {
  return { message: { type: 'appendEntriesReply', from: 1, to: 2, term: 2, index, rejected: false, hintIndex: 0, hintTerm: 0, ...over }, after: { hardState, index: 5, term: 2 } }
}

/** A node whose disk ends nothing by itself. */
function begin () {
  const sent: RaftMessage[] = []
  const log = {
    lastIndex: 4,
    append () {},
    truncateFrom: (index: number) => new Promise<void>((resolve) => {
      ends.push(() => {
        log.lastIndex = index - 1
        resolve()
      })
    })
  }
  const ends: Array<() => void> = []
  const persistence = new Persistence({
    log,
    saveHardState: () => new Promise((resolve) => { ends.push(resolve) }),
    onHardStatePersisted () {},
    send: (messages) => { sent.push(...messages) },
    onFailure: (error) => { t.fail(String(error)) }
  }, { term: 1, vote: 0 })
  const accept = (parts: Partial<Ready>): void => {
    persistence.accept({ hardState: undefined, snapshot: undefined, entries: [], messages: [], messagesAfterPersist: [], committedTo: undefined, readStates: [], leadership: undefined, loads: [], catchUp: undefined, ...parts })
  }
  return { persistence, accept, sent, ends }
}

const entry = { index: 5 } as RaftEntry

t.test('what a leader asks again and again while the disk is stuck is answered once', async (t) => {
  const { persistence, accept, sent } = begin()
  accept({ entries: [entry], messagesAfterPersist: [ack(5)] })
  for (let i = 0; i < 1000; i++) accept({ messagesAfterPersist: [ack(5)] })
  persistence.entriesPersisted(5)
  t.match(sent, [{ type: 'appendEntriesReply', index: 5 }])
  t.equal(sent.length, 1)
})

t.test('the same while term and vote are being stored', async (t) => {
  const { persistence, accept, sent, ends } = begin()
  accept({ hardState: TERM_2, messagesAfterPersist: [ack(0, { rejected: true }, TERM_2)] })
  for (let i = 0; i < 1000; i++) accept({ messagesAfterPersist: [ack(0, { rejected: true }, TERM_2)] })
  accept({ entries: [entry], messagesAfterPersist: [ack(5, {}, TERM_2)] })
  for (let i = 0; i < 1000; i++) accept({ messagesAfterPersist: [ack(5, {}, TERM_2)] })
  ends[0]!()
  await new Promise((resolve) => { setImmediate(resolve) })
  persistence.entriesPersisted(5)
  t.match(sent, [{ rejected: true, index: 0 }, { rejected: false, index: 5 }])
  t.equal(sent.length, 2)
})

t.test('answers that say different things are all given, in their order', async (t) => {
  const { persistence, accept, sent } = begin()
  accept({ entries: [entry], messagesAfterPersist: [ack(4), ack(5), ack(5, { to: 3 }), ack(2, { rejected: true }), ack(3, { rejected: true }), ack(5, { life: 1 }), ack(5, { life: 1, inDoubt: true }), ack(4, { life: 1, inDoubt: true })] })
  persistence.entriesPersisted(5)
  t.same(sent.map((message) => message.type === 'appendEntriesReply' && [message.to, message.index, message.rejected, message.life, message.inDoubt]), [
    [2, 5, false, undefined, undefined],
    [3, 5, false, undefined, undefined],
    [2, 2, true, undefined, undefined],
    [2, 3, true, undefined, undefined],
    [2, 5, false, 1, undefined],
    [2, 5, false, 1, true],
    [2, 4, false, 1, true]
  ])
})

t.test('what is told of entries while they are cut off is not said of those that take their place', async (t) => {
  const { persistence, accept, sent, ends } = begin()
  accept({ entries: [{ index: 3, prevTerm: 1, physicalOffset: 300 } as RaftEntry, { index: 4 } as RaftEntry], messagesAfterPersist: [{ ...ack(4), after: { hardState: undefined, index: 4, term: 2 } }] })
  persistence.entriesPersisted(4)
  ends[0]!()
  await new Promise((resolve) => { setImmediate(resolve) })
  persistence.entriesPersisted(3)
  t.same(sent, [], 'the new fourth one is not written')
  persistence.entriesPersisted(4)
  t.match(sent, [{ type: 'appendEntriesReply', index: 4 }])
})
