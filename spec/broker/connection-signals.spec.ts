import t from 'tap'
import { ConnectionSignals } from '../../lib/broker/connection-signals.ts'
import type { RemotingConnection } from '../../lib/remoting/index.ts'

t.test('who begins to wait for a connection that has closed is told at once, who waits when it closes then', async (t) => {
  const signals = new ConnectionSignals()
  const closed = { onClose: (listener: () => void) => { listener() } } as unknown as RemotingConnection
  t.equal(signals.listen(closed).signal.aborted, true)
  t.equal(signals.listen(closed).signal.aborted, true)

  let close!: () => void
  const open = { onClose: (listener: () => void) => { close = listener } } as unknown as RemotingConnection
  const [first, second, third] = [signals.listen(open), signals.listen(open), signals.listen(open)]
  second.end()
  close()
  t.same([first.signal.aborted, second.signal.aborted, third.signal.aborted], [true, false, true])
})
