import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { openQueue } from '../../lib/index.ts'
import { childProgram } from '../support/child-program.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = 4

t.test(`a process killed in the middle of its work loses nothing that was acknowledged (SEED=${seed})`, async (t) => {
  const directory = t.testdir()
  const random = new SeededRandom(seed)
  const sent = [-1, -1]
  /** Per queue, the highest number whose acknowledgement was reported. */
  const done = [-1, -1]
  for (let kill = 1; kill <= KILLS; kill++) {
    const child = spawn(process.execPath, [...childProgram('spec/queue/sending-child.ts'), directory, 'work'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const wanted = 200 + Math.floor(random.next() * 2000)
    let facts = 0
    child.on('message', (fact: { sent?: number, done?: number, queueId: number }) => {
      if (fact.sent !== undefined) sent[fact.queueId] = Math.max(sent[fact.queueId]!, fact.sent)
      if (fact.done !== undefined) {
        t.ok(fact.done > done[fact.queueId]!, 'nothing acknowledged is delivered again') || t.comment(fact)
        done[fact.queueId] = fact.done
      }
      if (++facts === wanted) child.kill('SIGKILL')
    })
    const [, signal] = await once(child, 'exit')
    t.equal(signal, 'SIGKILL')
  }

  await using queue = await openQueue(directory)
  for (const queueId of [0, 1]) {
    const { maxOffset } = queue.topics()[0]!.queues[queueId]!
    t.ok(maxOffset > sent[queueId]!, `queue ${queueId}: ${maxOffset} stored, ${sent[queueId]! + 1} acknowledged to the sender`)
    const numbers = (await queue.read('numbers', { queueId, fromOffset: 0, max: 10_000 })).map(({ body }) => body.n as number)
    t.same(numbers, Array.from({ length: maxOffset }, (_, n) => n), 'in order, each once')
    const { consumerOffset, inFlight } = queue.group('g').progress('numbers')[queueId]!
    t.ok(consumerOffset > done[queueId]!, 'what was acknowledged stays acknowledged')
    t.equal(inFlight, 0)
  }
})
