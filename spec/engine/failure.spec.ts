import t from 'tap'
import { MemoryKv, noLock, NodeClock, NodeRandom } from '../../lib/adapters/index.ts'
import { isMqError, silentLogger } from '../../lib/base/index.ts'
import { Engine, PutProposal, type PutResult } from '../../lib/engine/index.ts'
import { checkOpenOptions } from '../../lib/queue/options.ts'
import { Faults } from '../support/faults.ts'
import { FaultyDisk } from '../support/faulty-disk.ts'

async function openOn (disk: FaultyDisk): Promise<Engine> {
  const options = { ...checkOpenOptions('/data', { logger: silentLogger }), directory: '/data' }
  return await Engine.open({ ...options, ports: { disk, kv: new MemoryKv(), clock: new NodeClock(), random: new NodeRandom(), lock: noLock } })
}

function send (engine: Engine, text: string): Promise<PutResult> {
  const topic = engine.topicToBe({ name: 'jobs', queueCount: 1, attributes: {} })
  return new Promise((resolve, reject) => { engine.submit(new PutProposal(topic, 0, Buffer.from(text), '', '', 0, '', resolve, reject)) })
}

for (const kind of ['write', 'sync'] as const) {
  for (const code of ['EIO', 'ENOSPC'] as const) {
    t.test(`${code} from ${kind}: nothing is acknowledged any more, everything rejects with the cause`, async (t) => {
      const disk = new FaultyDisk()
      const engine = await openOn(disk)
      t.equal((await send(engine, 'before')).queueOffset, 0)
      let failure: Error | undefined
      engine.onFailure((error) => { failure = error })
      const waiting = engine.pop({ group: 'g', topic: 'jobs', max: 32, invisibleMs: 1000, waitMs: Infinity })
      await waiting
      const stuck = engine.pop({ group: 'g', topic: 'jobs', max: 32, invisibleMs: 1000, waitMs: Infinity })
      stuck.catch(() => {})
      await new Promise((resolve) => setImmediate(resolve))
      disk.faults.failAt(1, code, { kinds: [kind] })
      const results = await Promise.allSettled(['a', 'b', 'c'].map((text) => send(engine, text)))
      for (const result of results) t.ok(result.status === 'rejected' && isMqError(result.reason) && result.reason.outcome === 'unknown', 'what was sealed may have been stored')
      await t.rejects(send(engine, 'after'), { name: 'MqError', outcome: 'not-applied' })
      t.ok(isMqError(failure))
      await t.rejects(stuck, { code: (failure as { code?: string }).code }, 'who waits is told')
      await t.rejects(engine.pop({ group: 'g', topic: 'jobs', max: 1, invisibleMs: 1000 }), { code: (failure as { code?: string }).code, outcome: 'not-applied', cause: failure })
      await t.rejects(engine.read({ topic: 'jobs', queueId: 0, fromOffset: 0, maxMessages: 1 }), { name: 'MqError', cause: failure })
      await engine.close()
      t.equal(disk.openHandles, 0, 'all files are let go of')
    })
  }
}

t.test('an error while opening is told, and leaves nothing open', async (t) => {
  for (let n = 1; n <= 60; n++) {
    const disk = new FaultyDisk({ faults: new Faults() })
    disk.faults.failAt(n, 'EIO')
    let engine: Engine | undefined
    try {
      engine = await openOn(disk)
    } catch (error) {
      t.ok(isMqError(error, 'MQ_IO'), `boundary ${n}`)
    }
    await engine?.close()
    t.equal(disk.openHandles, 0, `boundary ${n}: no open files`)
  }
})
