import t, { type Test } from 'tap'
import { loadChecksum } from '../../lib/base/index.ts'
import type { GroupMember, GroupMemberOptions } from '../../lib/group/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { DATA_FORMAT_VERSION } from '../../lib/replica/index.ts'
import { DIRECTORY, Nodes } from '../group/nodes.ts'
import { Load } from '../group/load.ts'

t.before(loadChecksum)

/** The format before the newest: what nodes of neighbouring versions share. */
const OLDER = DATA_FORMAT_VERSION - 1

/** A node as an older version is, as far as formats go. */
function older (nodes: Nodes, number: number, more: { readonly signal?: AbortSignal } = {}): Partial<GroupMemberOptions> {
  const logger = { debug () {}, info: (text: string) => { nodes.logged.push([number, text]) }, warn: (text: string) => { nodes.logged.push([number, text]) }, error () {} }
  return { engine: { ...checkOpenOptions(DIRECTORY, { logger, ...more }), directory: DIRECTORY, formatVersion: OLDER, ports: nodes.portsOf(number) } }
}

const formats = (nodes: Nodes): number[] => nodes.engines.map(({ format }) => format.group)
const caughtUp = (nodes: Nodes, { engine }: GroupMember): boolean => {
  const leader = nodes.leader?.engine
  return leader !== undefined && engine.status().appliedIndex + 64 >= leader.status().commitIndex
}

/** Three nodes of the older version. */
async function opened (t: Test): Promise<Nodes> {
  const nodes = new Nodes([0, 1, 2])
  t.teardown(() => nodes.closeAll())
  await nodes.run(Promise.all([0, 1, 2].map((number) => nodes.start(number, older(nodes, number)))))
  await nodes.untilLeader()
  await nodes.until(() => formats(nodes).every((format) => format === OLDER))
  return nodes
}

t.test('nodes of the older version are replaced one after the other under load; the format is raised when the last one is', async (t) => {
  const nodes = await opened(t)
  const load = new Load(nodes, 4)
  await nodes.until(() => load.acked.size > 50)
  t.same(formats(nodes), [OLDER, OLDER, OLDER])
  for (const number of [0, 1, 2]) {
    await nodes.close(number)
    await nodes.clock.advance(1000)
    const member = await nodes.open(number)
    t.equal(member.engine.format.newest, DATA_FORMAT_VERSION)
    await nodes.until(() => caughtUp(nodes, member))
    const { size } = load.acked
    await nodes.until(() => load.acked.size > size + 50)
    if (number === 2) break
    await nodes.clock.advance(3000)
    t.same(formats(nodes), [OLDER, OLDER, OLDER], `after n${number}`)
    const { disk } = nodes.machine(number)
    t.ok(await disk.readFile(`${DIRECTORY}/backup-${OLDER}/identity`), 'what it was is kept')
  }
  await nodes.until(() => formats(nodes).every((format) => format === DATA_FORMAT_VERSION))
  await load.stop()
  await nodes.untilEqual()
  for (const engine of nodes.engines) t.equal(await load.defectOn(engine), undefined)
  const hashes = await nodes.run(Promise.all(nodes.engines.map((engine) => engine.store.stateHash())))
  t.equal(new Set(hashes).size, 1)
  t.same(nodes.logged.filter(([, text]) => text.includes(`writes data format ${DATA_FORMAT_VERSION} now`)).length, 1)

  // it is in the state, too, and not raised again
  for (const number of [0, 1, 2]) await nodes.close(number)
  await nodes.openAll()
  t.same(formats(nodes), [DATA_FORMAT_VERSION, DATA_FORMAT_VERSION, DATA_FORMAT_VERSION])
})

t.test('a node of the older version that has lost its disk joins a group of newer ones that still writes its format, and no other', async (t) => {
  const nodes = await opened(t)
  for (const number of [0, 1]) {
    await nodes.close(number)
    await nodes.open(number)
  }
  await nodes.close(2)
  nodes.wipe(2)
  await nodes.clock.advance(5000)
  t.same(formats(nodes), [OLDER, OLDER], 'a member that is away may come back as what it was')
  await nodes.run(nodes.start(2, older(nodes, 2)))
  await nodes.until(() => nodes.voters.includes(2) && nodes.leader!.members().every(({ role }) => role === 'voter'))
  await nodes.untilEqual()
  t.same(formats(nodes), [OLDER, OLDER, OLDER])

  await nodes.close(2)
  await nodes.open(2)
  await nodes.until(() => formats(nodes).every((format) => format === DATA_FORMAT_VERSION))
  await nodes.close(2)
  nodes.wipe(2)
  const end = new AbortController()
  const opening = nodes.start(2, older(nodes, 2, { signal: end.signal }))
  const refused = t.rejects(opening, { code: 'MQ_ABORTED' })
  await nodes.until(() => nodes.logged.some(([number, text]) => number === 2 && new RegExp(`group writes data format ${DATA_FORMAT_VERSION}, node \\d+ reads up to ${OLDER}: run a newer version`).test(text)))
  end.abort()
  await nodes.run(refused)
})

t.test('a node of the older version that comes while the format could be raised holds that back, as any other member', async (t) => {
  const nodes = await opened(t)
  for (const number of [0, 1]) {
    await nodes.close(number)
    await nodes.open(number)
  }
  const leader = nodes.member(0)
  await nodes.until(() => leader.engine.role.leaderId !== 0)
  if (!leader.engine.role.isLeader) await nodes.run(leader.transferLeader(leader.nodeId))
  await nodes.until(() => leader.engine.role.isLeader)
  await nodes.run(leader.addPeer(3, 'host3:40911'))
  // its admission takes a while, and meanwhile the last member is upgraded
  let isHeld = false
  let release = (): void => {}
  const change = leader.engine.changeMembership.bind(leader.engine)
  leader.engine.changeMembership = async (steps) => {
    isHeld = true
    await new Promise<void>((resolve) => { release = resolve })
    leader.engine.changeMembership = change
    return await change(steps)
  }
  const opening = nodes.start(3, { ...older(nodes, 3), address: nodes.addressOf(3) })
  await nodes.until(() => isHeld)
  await nodes.close(2)
  await nodes.open(2)
  await nodes.clock.advance(3000)
  release()
  const newcomer = await nodes.run(opening)
  await nodes.until(() => newcomer.isMember)
  await nodes.clock.advance(3000)
  await nodes.untilEqual()
  t.same(formats(nodes), [OLDER, OLDER, OLDER, OLDER])
  newcomer.engine.assertOpen()
  await nodes.close(3)
  await nodes.open(3, { address: nodes.addressOf(3) })
  await nodes.until(() => formats(nodes).every((format) => format === DATA_FORMAT_VERSION))
})

t.test('an older version is not started on a directory that a newer one has had', async (t) => {
  const nodes = await opened(t)
  await nodes.close(0)
  await nodes.open(0)
  await nodes.close(0)
  await t.rejects(nodes.run(nodes.start(0, older(nodes, 0))), { code: 'MQ_FORMAT_TOO_NEW' })
})
