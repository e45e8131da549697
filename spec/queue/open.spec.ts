import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openQueue, VirtualClock } from '../../lib/index.ts'
import { childProgram } from '../support/child-program.ts'

t.test('what was stored, where groups are, and what topics are like outlasts a close', async (t) => {
  const directory = join(t.testdir(), 'deep', 'data')
  const measurement = { type: 'record', name: 'M', fields: [{ name: 'celsius', type: 'double' }] }
  {
    await using queue = await openQueue(directory, { topics: { m: { codec: { avro: measurement }, queues: 2 }, text: { codec: 'string', queues: 1 } } })
    await queue.send('m', { celsius: 20 }, { queueId: 0 })
    for (const body of ['a', 'b', 'c']) await queue.send('text', body)
    const batch = await queue.pull('text', { group: 'g', max: 2 })
    await batch.messages[0]!.ack()
  }
  await using queue = await openQueue(directory, {
    topics: { m: { codec: { avro: { ...measurement, fields: [...measurement.fields, { name: 'sensor', type: 'string', default: 'none' }] } }, queues: 3 } }
  })
  t.same(queue.topics().map(({ name, codec, queues }) => [name, codec, queues.length]).sort(), [['m', 'avro', 3], ['text', 'string', 1]])
  t.match((await queue.read('m', { queueId: 0, fromOffset: 0 }))[0]!.body, { celsius: 20, sensor: 'none' }, 'read with the newer schema')
  const batch = await queue.pull('text', { group: 'g' })
  t.same(batch.messages.map(({ body, attempts }) => [body, attempts]), [['b', 2], ['c', 1]], 'leases of the process before are over, attempts count')
  const last = (await queue.send('text', 'd'))
  t.equal(last.queueOffset, 3)
  await t.rejects(openQueue(directory), { code: 'MQ_LOCKED', pid: process.pid })
})

t.test('the codec of a topic is fixed', async (t) => {
  const directory = t.testdir()
  await (await openQueue(directory, { topics: { a: { codec: 'string' } } })).close()
  await t.rejects(openQueue(directory, { topics: { a: { codec: 'bytes' } } }), { code: 'MQ_INVALID_ARGUMENT' })
  const queue = await openQueue(directory)
  t.equal(queue.topics()[0]!.codec, 'string', 'a refused open lets go of the directory')
  await queue.close()
})

t.test('places that cannot be opened', async (t) => {
  const root = t.testdir({ file: 'text', site: { 'index.html': '<html>' }, newer: {}, damaged: {} })
  await t.rejects(openQueue(join(root, 'file')), { code: 'MQ_NOT_A_DATA_DIRECTORY' })
  await t.rejects(openQueue(join(root, 'file', 'below')), { code: 'MQ_NOT_A_DATA_DIRECTORY' })
  await t.rejects(openQueue(join(root, 'site')), { code: 'MQ_NOT_A_DATA_DIRECTORY' })
  for (const [name, at, code] of [['newer', 5, 'MQ_FORMAT_TOO_NEW'], ['damaged', 12, 'MQ_CORRUPT']] as const) {
    const directory = join(root, name)
    await (await openQueue(directory)).close()
    const path = join(directory, 'identity')
    const identity = await readFile(path)
    identity[at]! += 1
    if (code === 'MQ_FORMAT_TOO_NEW') await writeFile(path, await withChecksum(identity))
    else await writeFile(path, identity)
    await t.rejects(openQueue(directory), { code, outcome: 'not-applied' }, name)
  }
  if (process.getuid?.() === 0) return t.comment('root may write anywhere: no read-only directory to try')
  await mkdir(join(root, 'sealed'))
  await chmod(join(root, 'sealed'), 0o555)
  await t.rejects(openQueue(join(root, 'sealed')), { code: 'MQ_READ_ONLY' })
})

async function withChecksum (identity: Buffer): Promise<Buffer> {
  const { hash64, loadChecksum } = await import('../../lib/base/index.ts')
  await loadChecksum()
  identity.writeBigUInt64BE(hash64(identity.subarray(0, -8), 0x6964656E74697479n), identity.length - 8)
  return identity
}

t.test('a directory that another process has open', async (t) => {
  const directory = t.testdir()
  const child = spawn(process.execPath, [...childProgram('spec/queue/sending-child.ts'), directory, 'hold'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  await t.rejects(openQueue(directory), { code: 'MQ_LOCKED', pid: child.pid, retryable: true })
  child.kill('SIGKILL')
  await once(child, 'exit')
  const queue = await openQueue(directory)
  await queue.close()
})

t.test('an open can be aborted', async (t) => {
  const reason = new Error('changed my mind')
  await t.rejects(openQueue(t.testdir(), { signal: AbortSignal.abort(reason) }), { name: 'AbortError', code: 'MQ_ABORTED', cause: reason })
})

t.test('a clock belongs to memory only', async (t) => {
  await t.rejects(openQueue(t.testdir(), { clock: new VirtualClock() }), { code: 'MQ_INVALID_ARGUMENT' })
})

t.test('durability \'memory\' keeps what was sent over a close and a kill of the process', async (t) => {
  const directory = t.testdir()
  {
    await using queue = await openQueue(directory, { durability: 'memory', defaultQueues: 1 })
    await Promise.all(Array.from({ length: 100 }, (_, n) => queue.send('jobs', n)))
  }
  await using queue = await openQueue(directory, { durability: 'disk' })
  t.equal((await queue.read('jobs', { queueId: 0, fromOffset: 0, max: 1000 })).length, 100)
})

t.test('an idle open queue lets the process end', async (t) => {
  const child = spawn(process.execPath, [...childProgram('spec/queue/sending-child.ts'), t.testdir(), 'idle'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.once('message', () => child.disconnect())
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

t.test('a directory that has lost its log is refused, with or without a checkpoint', async (t) => {
  const directory = t.testdir()
  const queue = await openQueue(directory)
  await queue.send('jobs', 1)
  await queue.close()
  await rm(join(directory, 'log'), { recursive: true })
  await t.rejects(openQueue(directory), { code: 'MQ_CORRUPT', file: join(await realpath(directory), 'log') })
  await rm(join(directory, 'state'), { recursive: true })
  await rm(join(directory, 'applied'))
  await t.rejects(openQueue(directory), { code: 'MQ_CORRUPT' }, 'asked again, it says so again')
})
