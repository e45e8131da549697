import t from 'tap'
import { MemoryDisk, MemoryKv, noLock, NodeRandom, VirtualClock } from '../../lib/adapters/index.ts'
import { silentLogger } from '../../lib/base/index.ts'
import { Engine, PutProposal, type PutResult } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'

class SmallDisk extends MemoryDisk {
  freeBytes = 1024 * 1024 * 1024
  override async room () { return { freeBytes: this.freeBytes, totalBytes: 1024 * 1024 * 1024 } }
}

function send (engine: Engine, text: string): Promise<PutResult> {
  const topic = engine.topicToBe({ name: 'jobs', queueCount: 1, attributes: {} })
  return new Promise((resolve, reject) => { engine.submit(new PutProposal(topic, 0, Buffer.from(text), '', '', 0, '', resolve, reject)) })
}

t.test('on a disk that is nearly full sends are refused, consuming goes on, and sends are taken again when there is room', async (t) => {
  const disk = new SmallDisk()
  const clock = new VirtualClock()
  const kv = new MemoryKv()
  const open = () => Engine.open({
    ...checkOpenOptions('/data', { logger: silentLogger, limits: { reserveBytes: 1_000_000 } }),
    directory: '/data',
    ports: { disk, kv, clock, random: new NodeRandom(), lock: noLock }
  })
  const pop = { group: 'g', topic: 'jobs', max: 1, invisibleMs: 1000 }
  const engine = await open()
  for (const text of ['a', 'b', 'c']) await send(engine, text)
  disk.freeBytes = 1_000_010
  await clock.advance(1000)
  await t.rejects(send(engine, 'd'), { code: 'MQ_DISK_ROOM', outcome: 'not-applied', retryable: true }, 'it would touch the reserve')
  disk.freeBytes = 0
  await clock.advance(1000)
  await t.rejects(send(engine, 'd'), { code: 'MQ_DISK_ROOM' })
  const [first] = await engine.pop(pop)
  await engine.ack(first!)
  const [second] = await engine.pop(pop)
  await engine.deadLetter(second!)
  await engine.close()

  const again = await open()
  await t.rejects(send(again, 'd'), { code: 'MQ_DISK_ROOM' })
  const [third] = await again.pop(pop)
  t.equal(Buffer.from(third!.record.body).toString(), 'c', 'a full disk can be opened to consume')
  await again.ack(third!)
  disk.freeBytes = 1024 * 1024 * 1024
  await clock.advance(1000)
  t.equal((await send(again, 'd')).queueOffset, 3)
  await again.close()
})

t.test('a send that would touch the reserve is refused until there is room, also where nothing is written meanwhile', async (t) => {
  const disk = new SmallDisk()
  const clock = new VirtualClock()
  const engine = await Engine.open({
    ...checkOpenOptions('/data', { logger: silentLogger, limits: { reserveBytes: 1_000_000 } }),
    directory: '/data',
    ports: { disk, kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
  })
  disk.freeBytes = 1_000_010
  await send(engine, 'a')
  await clock.advance(1000)
  await t.rejects(send(engine, 'b'), { code: 'MQ_DISK_ROOM' }, '10 bytes are left')
  await clock.advance(60_000)
  await t.rejects(send(engine, 'b'), { code: 'MQ_DISK_ROOM' }, 'still')
  disk.freeBytes = 1024 * 1024 * 1024
  await clock.advance(1000)
  t.equal((await send(engine, 'b')).queueOffset, 1)
  await engine.close()
})
