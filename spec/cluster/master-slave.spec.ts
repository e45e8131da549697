import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { RequestCode, ResponseCode, sendMessageV2, type RemotingFrame } from '../../lib/remoting/index.ts'
import { Cluster, freePorts, until, type ClusterProcess } from './cluster.ts'
import { readBodies } from './read-back.ts'

/** A master and a slave as processes, by the classic roles. */
t.setTimeout(150_000)

const TOPIC = 'orders'

const folder = await mkdtemp(join(tmpdir(), 'ledgermq-master-slave-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))

function send (cluster: Cluster, { address }: Pick<ClusterProcess, 'address'>, body: string): Promise<RemotingFrame> {
  const extFields = sendMessageV2.encode({ a: 'shop', b: TOPIC, c: 'TBW102', d: 1, e: 0, f: 0, g: Date.now(), h: 0, i: '', j: 0, k: false, m: false })
  return cluster.client.invoke(address, { code: RequestCode.SEND_MESSAGE_V2, extFields, body: Buffer.from(body) }, { timeoutMs: 10_000 })
}

for (const master of ['SYNC_MASTER', 'ASYNC_MASTER'] as const) {
  await t.test(`${master} and a SLAVE: it catches up and serves reads; each is killed and comes back; sends say how safe they are`, async (t) => {
    const settings = { mappedFileSizeCommitLog: 4 * 1024 * 1024, slaveReadEnable: true, registerNameServerPeriod: 10_000, slaveTimeout: 1000 }
    await using cluster = await Cluster.start({ folder: join(folder, master), program: 'source', groups: [{ name: 'broker-a', nodes: 2, master, settings }] })
    const group = cluster.groups[0]!
    const [first, slave] = group.nodes as [ClusterProcess, ClusterProcess]
    await cluster.makeTopic(TOPIC, 1)
    const bodies: string[] = []
    const sendsWith = async (code: number, body: string): Promise<void> => {
      const answer = await send(cluster, first, body)
      t.equal(answer.code, code, `${body}: ${answer.remark ?? ''}`)
      bodies.push(body)
    }
    const without = master === 'SYNC_MASTER' ? ResponseCode.SLAVE_NOT_AVAILABLE : ResponseCode.SUCCESS
    const slaveHasAll = async (): Promise<void> => {
      await until('the slave has all', async () => (await readBodies(cluster, slave.address, TOPIC, 1))[0]!.length === bodies.length)
      t.same((await readBodies(cluster, slave.address, TOPIC, 1))[0], bodies)
    }
    /** The first send that is answered so; those before it count too. */
    const untilAnswered = (code: number): Promise<void> => until(`sends are answered ${code}`, async () => {
      const body = `until ${code}: ${bodies.length}`
      const answer = await send(cluster, first, body)
      if ([0, 10, 11, 12].includes(answer.code)) bodies.push(body)
      return answer.code === code
    })

    await untilAnswered(ResponseCode.SUCCESS)
    await sendsWith(ResponseCode.SUCCESS, 'with a slave')
    await slaveHasAll()

    if (master === 'SYNC_MASTER') {
      slave.suspend()
      await sendsWith(ResponseCode.FLUSH_SLAVE_TIMEOUT, 'the slave hangs')
      await untilAnswered(ResponseCode.SLAVE_NOT_AVAILABLE)
      slave.resume()
      await untilAnswered(ResponseCode.SUCCESS)
    }

    await slave.kill()
    await untilAnswered(without)
    await sendsWith(without, 'without a slave')
    await slave.start()
    await slave.ready()
    await untilAnswered(ResponseCode.SUCCESS)
    await slaveHasAll()

    // the master is gone: what came to the slave can be read there, and nobody takes sends
    await first.kill()
    t.same((await readBodies(cluster, slave.address, TOPIC, 1))[0], bodies)
    t.equal((await send(cluster, slave, 'nobody leads')).code, ResponseCode.SERVICE_NOT_AVAILABLE)
    await first.start()
    await first.ready()
    await untilAnswered(ResponseCode.SUCCESS)
    await slaveHasAll()
    if (master === 'SYNC_MASTER') return

    // no name server knows a master: a slave that starts serves what it has, and follows the master when that is back, elsewhere
    await first.stop()
    await slave.stop()
    await slave.start()
    await slave.ready()
    t.same((await readBodies(cluster, slave.address, TOPIC, 1))[0], bodies)
    const [port] = await freePorts(1)
    await first.start({ listenPort: port! })
    await first.ready()
    t.equal((await send(cluster, { address: `127.0.0.1:${port}` }, 'from elsewhere')).code, ResponseCode.SUCCESS)
    bodies.push('from elsewhere')
    await slaveHasAll()
  })
}
