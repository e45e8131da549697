import type { Test } from 'tap'
import { holdProcess } from '../../lib/adapters/index.ts'
import { MqError } from '../../lib/base/index.ts'
import type { NodeId, RaftMessage } from '../../lib/raft/index.ts'
import type { Address } from '../../lib/remoting/index.ts'
import type { PeerNetwork, SelfDescription } from '../../lib/transport/index.ts'

export interface PeerNetworksUnderTest {
  /** A node's end; the description may change meanwhile. */
  open (self: () => SelfDescription, options?: { readonly secret?: string }): PeerNetwork
}

export const GROUP_ID = new Uint8Array(16).fill(7)
export const ANY: Address = { host: '127.0.0.1', port: 0 }
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
const bytesOf = (value: string): Uint8Array => Buffer.from(value)
const nextTurn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

export function member (nodeId: NodeId, differences: Partial<SelfDescription> = {}): SelfDescription {
  return { groupName: 'group', groupId: GROUP_ID, nodeId, formatVersion: 1, ...differences }
}

/** Serves the event loop until the condition holds. Pauses of the whole process do not count. */
export async function until (condition: () => boolean): Promise<void> {
  for (let waitedMs = 0, lastMs = Date.now(); !condition(); await nextTurn()) {
    const nowMs = Date.now()
    waitedMs += Math.min(nowMs - lastMs, 100)
    lastMs = nowMs
    if (waitedMs > 20_000) throw new Error('still waiting after 20 s')
  }
}

export function linked (from: PeerNetwork, to: NodeId): boolean {
  return from.linkStats().some(({ nodeId, isConnected }) => nodeId === to && isConnected)
}

/** What rooms above rely on, of any PeerNetwork. */
export function peerNetworkConformance (t: Test, name: string, make: (t: Test) => PeerNetworksUnderTest): void {
  // time-outs alone do not keep a process alive
  const hold = holdProcess()
  t.teardown(() => hold.cancel())

  async function group (t: Test, ...nodeIds: NodeId[]): Promise<{ ends: PeerNetwork[], addresses: Map<NodeId, Address>, open: PeerNetworksUnderTest['open'] }> {
    const { open } = make(t)
    const ends = nodeIds.map((nodeId) => open(() => member(nodeId)))
    const addresses = new Map<NodeId, Address>()
    for (const [i, end] of ends.entries()) addresses.set(nodeIds[i]!, await end.listen(ANY))
    for (const end of ends) end.setPeers(addresses)
    for (const [i, end] of ends.entries()) await until(() => nodeIds.every((to) => to === nodeIds[i] || linked(end, to)))
    return { ends, addresses, open }
  }

  t.test(`${name}: raft messages between members, whole and in order of their link`, async (t) => {
    const { ends } = await group(t, 1, 2, 3)
    const received: RaftMessage[][] = [[], [], []]
    const transports = ends.map((end, i) => {
      const transport = end.transport()
      transport.start((message) => received[i]!.push(message))
      return transport
    })
    transports[0]!.send([heartbeat(1, 2, 1), heartbeat(1, 3, 2), heartbeat(1, 2, 3), heartbeat(1, 9, 4)])
    transports[2]!.send([heartbeat(3, 1, 5)])
    await until(() => received[1]!.length === 2 && received[2]!.length === 1 && received[0]!.length === 1)
    t.same(received, [[heartbeat(3, 1, 5)], [heartbeat(1, 2, 1), heartbeat(1, 2, 3)], [heartbeat(1, 3, 2)]])
  })

  t.test(`${name}: a replica that is opened again takes the place of the one before`, async (t) => {
    const { ends: [one, two] } = await group(t, 1, 2)
    const received: number[] = []
    const sender = one!.transport()
    sender.start(() => {})
    const before = two!.transport()
    before.start(() => received.push(-1))
    await before.close()
    before.send([heartbeat(2, 1, 1)])
    two!.transport().start(({ term }) => received.push(term))
    sender.send([heartbeat(1, 2, 7)])
    await until(() => received.length > 0)
    t.same(received, [7])
  })

  t.test(`${name}: calls and their answers, each the receiver's own`, async (t) => {
    const { ends: [one, two] } = await group(t, 1, 2)
    let given: Uint8Array | undefined
    two!.onCall('upper', (body, { nodeId }) => {
      given = body
      return bytesOf(`${text(body).toUpperCase()} ${nodeId}`)
    })
    two!.onCall('later', async (body) => {
      await nextTurn()
      return body
    })
    const body = bytesOf('hello')
    t.equal(text(await one!.call(2, 'upper', body, { timeoutMs: 5000 })), 'HELLO 1')
    t.not(given!.buffer, body.buffer)
    const large = new Uint8Array(3_000_000).map((_, i) => i * 7)
    const [empty, back] = await Promise.all([one!.call(2, 'later', new Uint8Array(0), { timeoutMs: 5000 }), one!.call(2, 'later', large, { timeoutMs: 5000 })])
    t.equal(empty.length, 0)
    t.ok(Buffer.from(back).equals(large))
    one!.onCall('which', () => bytesOf('one'))
    two!.onCall('which', () => bytesOf('two'))
    t.same([text(await one!.call(2, 'which', body, { timeoutMs: 5000 })), text(await two!.call(1, 'which', body, { timeoutMs: 5000 }))], ['two', 'one'])
  })

  t.test(`${name}: what a handler throws keeps its code, its outcome and its facts`, async (t) => {
    const { ends: [one, two] } = await group(t, 1, 2)
    two!.onCall('refuse', () => { throw new MqError('MQ_NOT_LEADER', 'ask node 7', { leaderId: 7, cause: new Error('inner') }) })
    two!.onCall('doubt', async () => { throw new MqError('MQ_UNAVAILABLE', 'half done', { outcome: 'unknown', retryable: false }) })
    two!.onCall('break', () => { throw new RangeError('a bug') })
    two!.onCall('small', (body) => body, { maxBytes: 10 })
    const call = (method: string, sizeBytes = 1): Promise<Uint8Array> => one!.call(2, method, new Uint8Array(sizeBytes), { timeoutMs: 5000 })
    await t.rejects(call('refuse'), { code: 'MQ_NOT_LEADER', outcome: 'not-applied', retryable: true, leaderId: 7, message: 'ask node 7' })
    await t.rejects(call('doubt'), { code: 'MQ_UNAVAILABLE', outcome: 'unknown', retryable: false })
    await t.rejects(call('break'), { code: 'MQ_PEER_FAILED', outcome: 'unknown', message: /a bug/ })
    await t.rejects(call('nothing'), { code: 'MQ_INVALID_ARGUMENT', outcome: 'not-applied', method: 'nothing' })
    await t.rejects(call('small', 11), { code: 'MQ_MESSAGE_TOO_LARGE', outcome: 'not-applied' })
    t.equal((await call('small', 10)).length, 10)
  })

  t.test(`${name}: a call that was not sent is not applied, one without an answer unknown`, async (t) => {
    const { ends: [one, two], addresses } = await group(t, 1, 2)
    two!.onCall('silent', () => new Promise(() => {}))
    const body = new Uint8Array(1)
    await t.rejects(one!.call(3, 'silent', body, { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
    await t.rejects(one!.call(1, 'silent', body, { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' }, 'itself')
    await t.rejects(one!.call(2, 'silent', body, { timeoutMs: 30 }), { code: 'MQ_TIMEOUT', outcome: 'unknown' })
    await t.rejects(one!.call(2, 'silent', body, { timeoutMs: 5000, signal: AbortSignal.abort() }), { code: 'MQ_ABORTED', name: 'AbortError', outcome: 'not-applied' })
    const controller = new AbortController()
    const aborted = one!.call(2, 'silent', body, { timeoutMs: 5000, signal: controller.signal })
    let calls = 0
    two!.onCall('count', () => {
      calls++
      return body
    })
    await one!.call(2, 'count', body, { timeoutMs: 5000 })
    controller.abort()
    await t.rejects(aborted, { code: 'MQ_ABORTED', outcome: 'unknown' })
    const lost = one!.call(2, 'silent', body, { timeoutMs: 20_000 })
    await one!.call(2, 'count', body, { timeoutMs: 5000 })
    t.equal(calls, 2)
    const failed = t.rejects(lost, { code: 'MQ_CONNECTION_LOST', outcome: 'unknown' })
    await two!.close()
    await failed
    await until(() => !linked(one!, 2))
    await t.rejects(one!.call(2, 'count', body, { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
    await t.rejects(one!.callAddress(addresses.get(2)!, 'count', body, { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE', outcome: 'not-applied' })
  })

  t.test(`${name}: closing fails what waits, and everything after it`, async (t) => {
    const { ends: [one, two] } = await group(t, 1, 2)
    two!.onCall('silent', () => new Promise(() => {}))
    const failed = t.rejects(one!.call(2, 'silent', new Uint8Array(1), { timeoutMs: 20_000 }), { name: 'MqError' })
    await one!.close()
    await failed
    await one!.close()
    await t.rejects(one!.call(2, 'silent', new Uint8Array(1), { timeoutMs: 100 }), { code: 'MQ_CLOSED' })
    await t.rejects(one!.listen(ANY), { code: 'MQ_CLOSED' })
  })

  t.test(`${name}: who knows no address answers over the link that was made to it`, async (t) => {
    const { open } = make(t)
    const leader = open(() => member(1))
    const joiner = open(() => member(2))
    const address = await leader.listen(ANY)
    joiner.setPeers(new Map([[1, address]]))
    await until(() => linked(joiner, 1))
    joiner.onCall('who', () => bytesOf('joiner'))
    let answer = ''
    await until(() => {
      leader.call(2, 'who', new Uint8Array(0), { timeoutMs: 5000 }).then((bytes) => { answer = text(bytes) }, () => {})
      return answer !== ''
    })
    t.equal(answer, 'joiner')
    const received: number[] = []
    joiner.transport().start(({ term }) => received.push(term))
    const transport = leader.transport()
    transport.start(() => {})
    transport.send([heartbeat(1, 2, 5)])
    await until(() => received.length > 0)
    t.same(received, [5])
  })

  t.test(`${name}: empty nodes meet by address, for methods that are open to strangers`, async (t) => {
    const { open } = make(t)
    let two = member(2, { groupId: undefined })
    const one = open(() => member(1))
    const other = open(() => two)
    await one.listen(ANY)
    const address = await other.listen(ANY)
    other.onCall('whoAreYou', (_body, { nodeId }) => bytesOf(`asked by ${nodeId}`), { openToStrangers: true })
    other.onCall('private', () => bytesOf('secret'))
    const call = (method: string): Promise<Uint8Array> => one.callAddress(address, method, new Uint8Array(0), { timeoutMs: 5000 })
    t.equal(text(await call('whoAreYou')), 'asked by 1')
    await t.rejects(call('private'), { code: 'MQ_INVALID_ARGUMENT', outcome: 'not-applied' })
    one.setPeers(new Map([[2, address]]))
    await t.rejects(one.call(2, 'whoAreYou', new Uint8Array(0), { timeoutMs: 5000 }), { code: 'MQ_UNAVAILABLE' }, 'no links with an empty node')
    t.notOk(linked(one, 2))
    two = member(2)
    await until(() => linked(one, 2))
    t.equal(text(await one.call(2, 'private', new Uint8Array(0), { timeoutMs: 5000 })), 'secret', 'members may')
    t.equal(text(await call('whoAreYou')), 'asked by 1', 'members are asked by address too')
  })

  t.test(`${name}: who is not of the group is refused`, async (t) => {
    const { open } = make(t)
    const target = open(() => member(2), { secret: 'right' })
    const address = await target.listen(ANY)
    target.onCall('open', () => bytesOf('yes'), { openToStrangers: true })
    const refusalTo = async (self: SelfDescription, secret: string | undefined, wanted: NodeId = 2): Promise<{ linked: boolean, refusal: unknown }> => {
      const end = open(() => self, secret === undefined ? {} : { secret })
      const refusal = await end.callAddress(address, 'open', new Uint8Array(0), { timeoutMs: 5000 }).then(() => 'none', (error: MqError) => error.refusal)
      end.setPeers(new Map([[wanted, address]]))
      const error: MqError = await end.call(wanted, 'open', new Uint8Array(0), { timeoutMs: 5000 }).then(() => new MqError('MQ_CLOSED', 'none'), (error) => error)
      await end.close()
      return { linked: error.code !== 'MQ_UNAVAILABLE', refusal }
    }
    t.same(await refusalTo(member(1), 'right'), { linked: true, refusal: 'none' })
    t.same(await refusalTo(member(1), 'wrong'), { linked: false, refusal: 'secret' })
    t.same(await refusalTo(member(1), undefined), { linked: false, refusal: 'secret' })
    t.same(await refusalTo(member(1, { groupName: 'other' }), 'right'), { linked: false, refusal: 'group-name' })
    t.same(await refusalTo(member(1, { groupId: new Uint8Array(16).fill(9) }), 'right'), { linked: false, refusal: 'none' })
    t.same(await refusalTo(member(1, { formatVersion: 3 }), 'right'), { linked: false, refusal: 'format-version' })
    t.same(await refusalTo(member(1, { formatVersion: 2 }), 'right'), { linked: true, refusal: 'none' })
    t.same(await refusalTo(member(1, { formatVersion: 2, groupFormat: 2 }), 'right'), { linked: false, refusal: 'format-version' }, 'its group writes what the other cannot read')
    t.same(await refusalTo(member(1), 'right', 65_538), { linked: false, refusal: 'none' }, 'another incarnation of that node')
    t.same(await refusalTo(member(2), 'right'), { linked: false, refusal: 'none' }, 'itself')
  })

  t.test(`${name}: a node whose process ends is told of as gone, and as back when it is started again`, async (t) => {
    const { ends: [one, two, three], addresses, open } = await group(t, 1, 2, 3)
    const told: string[] = []
    two!.transport().start(() => {})
    await nextTurn()
    one!.transport().start(() => {}, (nodeId, event) => told.push(`${nodeId} ${event}`))
    await two!.close()
    await until(() => told.includes('2 gone'))
    t.equal(told.indexOf('2 broken'), 0)
    t.same(told.filter((line) => line === '2 gone' || line === '2 back'), ['2 gone'])
    const again = open(() => member(2))
    await again.listen(addresses.get(2)!)
    again.setPeers(addresses)
    again.transport().start(() => {})
    await until(() => told.at(-1) === '2 back')
    t.same(told.filter((line) => line.startsWith('3') || line === '2 gone'), ['2 gone'])
    t.ok(linked(three!, 1))
  })

  t.test(`${name}: peers come and go`, async (t) => {
    const { ends: [one, two, three], addresses } = await group(t, 1, 2, 3)
    one!.setPeers(new Map([[2, addresses.get(2)!]]))
    t.same(one!.linkStats().filter(({ address }) => address !== undefined).map(({ nodeId }) => nodeId), [2])
    one!.setPeers(addresses)
    await until(() => linked(one!, 3))
    await two!.close()
    await until(() => !linked(one!, 2) && !linked(three!, 2))
    t.ok(linked(one!, 3))
  })
}

export function heartbeat (from: NodeId, to: NodeId, term: number): RaftMessage {
  return { type: 'heartbeat', from, to, term, commitIndex: 0, readSequence: 0, doubtLife: 0, lastIndex: 0 }
}
