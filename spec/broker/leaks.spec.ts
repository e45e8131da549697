import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { encodeRequest, HeaderType, OutboundBuffer, PullSysFlag, RequestCode } from '../../lib/remoting/index.ts'
import { consumerData, openBroker, PORT, pullFields, sendFields } from './support.ts'

const CYCLES = 10_000
const FIRST = 1000
const MOST_GROWTH_BYTES = 5 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

async function heapUsed (): Promise<number> {
  for (let i = 0; i < 4; i++) {
    await turn()
    collect()
  }
  return process.memoryUsage().heapUsed
}

function bytesOf (...requests: ReadonlyArray<Parameters<typeof encodeRequest>[2]>): Buffer {
  const out = new OutboundBuffer()
  for (const [i, request] of requests.entries()) encodeRequest(out, HeaderType.binary, request, i + 1, false)
  return Buffer.concat(out.take())
}

t.test('clients that come, ask and vanish leave nothing behind', { timeout: 240_000 }, async (t) => {
  const { network, connect, broker, close } = await openBroker()
  const client = connect()
  await client.send('orders', 'x')
  await client.heartbeat('a', { consumers: [consumerData('group', { orders: '*' })] })
  const heartbeat = (clientId: string) => ({
    code: RequestCode.HEART_BEAT,
    body: Buffer.from(JSON.stringify({ clientID: clientId, consumerDataSet: [consumerData('group', { orders: '*' })], producerDataSet: [{ groupName: 'producers' }] }))
  })
  const poll = { code: RequestCode.PULL_MESSAGE, extFields: { ...pullFields('orders', 0, 1_000_000), sysFlag: PullSysFlag.subscription | PullSysFlag.suspend } }
  const wait = { code: RequestCode.PULL_MESSAGE, extFields: { ...pullFields('orders', 1, 0), sysFlag: PullSysFlag.subscription | PullSysFlag.suspend } }
  const send = { code: RequestCode.SEND_MESSAGE_V2, extFields: { ...sendFields('orders'), e: 0 }, body: Buffer.from('hello') }
  let before = 0
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    if (cycle === FIRST) before = await heapUsed()
    const stream = network.open(PORT)
    stream.on('data', () => {})
    const requests = bytesOf(heartbeat(`client-${cycle}`), poll, wait, ...(cycle % 10 === 0 ? [send] : []))
    // every third is cut off within a frame
    stream.write(cycle % 3 === 0 ? requests.subarray(0, requests.length - 20) : requests)
    await turn()
    await turn()
    stream.destroy()
    await turn()
    client.asked.length = 0
  }
  const growth = await heapUsed() - before
  t.ok(growth < MOST_GROWTH_BYTES, `the heap grew by ${growth} bytes`)
  t.equal(broker.server.connections.size, 1)
  await close()
})
