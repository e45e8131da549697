import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FrameReader, FrameWriter, type DeliveredLine, type Frame } from '../../scripts/main-job/frames.ts'
import { linesOf } from '../../scripts/main-job/lines.ts'
import { Proof } from '../../scripts/main-job/proof.ts'
import { PassThrough } from 'node:stream'

const texts = ['a\nb\nc\n', 'x\ny']
const files = texts.map((text, i) => ({ name: `file-${i}`, path: '', lines: text.split('\n').filter((line) => line !== '').length, digest: createHash('sha256').update(text).digest('hex') }))

const line = (queueId: number, queueOffset: number, file: number, text: string): DeliveredLine => ({ queueId, queueOffset, file, bytes: Buffer.from(text) })
const everything = [line(0, 0, 0, 'a\n'), line(1, 0, 1, 'x\n'), line(0, 1, 0, 'b\n'), line(1, 1, 1, 'y'), line(0, 2, 0, 'c\n')]

function proofOf (lines: readonly DeliveredLine[]): { lost: number, redelivered: number, complaints: number } {
  const proof = new Proof(files)
  for (const each of lines) proof.take(each)
  const lost = proof.finish()
  return { lost, redelivered: proof.redelivered, complaints: proof.complaints.length }
}

t.test('every line in order, some of them again: nothing lost', async (t) => {
  t.same(proofOf(everything), { lost: 0, redelivered: 0, complaints: 0 })
  t.same(proofOf([...everything.slice(0, 3), ...everything]), { lost: 0, redelivered: 3, complaints: 0 })
})

t.test('a missing line is seen, at the end and in the middle', async (t) => {
  t.equal(proofOf(everything.slice(0, -1)).lost, 1)
  const gap = proofOf(everything.filter((_, i) => i !== 2))
  t.equal(gap.lost, 1)
  t.equal(gap.complaints, 2)
})

t.test('another order, another byte, a line too many are seen', async (t) => {
  const swapped = [...everything]
  swapped[0] = line(0, 0, 0, 'b\n')
  swapped[2] = line(0, 1, 0, 'a\n')
  t.not(proofOf(swapped).lost, 0)
  t.not(proofOf(everything.map((each, i) => i === 3 ? line(1, 1, 1, 'Y') : each)).lost, 0)
  t.not(proofOf([...everything, line(0, 3, 0, 'c\n')]).lost, 0)
  t.not(proofOf(everything.map((each, i) => i === 4 ? line(0, 2, 1, 'c\n') : each)).lost, 0)
})

t.test('lines keep their terminators; joined they are the file, whatever it holds', async (t) => {
  const folder = t.testdir()
  const big = Buffer.alloc(700_000, 'x')
  big[300_000] = 10
  for (const [name, bytes] of Object.entries({ empty: Buffer.alloc(0), last: Buffer.from('a\r\n\nb'), binary: Buffer.from([0, 255, 10, 10, 13, 10, 0]), big })) {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    const lines: Uint8Array[] = []
    for await (const group of linesOf(path)) lines.push(...group)
    t.ok(Buffer.concat(lines).equals(bytes), name)
    t.ok(lines.every((each, i) => each.indexOf(10) === each.length - 1 || (i === lines.length - 1 && !each.includes(10))), name)
  }
})

t.test('frames come through cut at every byte; the last one cut short is not seen', async (t) => {
  const stream = new PassThrough()
  const writer = new FrameWriter(stream)
  await writer.count('sent', 7, [0.5, 2])
  await writer.lines(everything)
  await writer.fact({ fact: 'done' })
  const bytes = stream.read() as Buffer
  const whole: Frame[] = new FrameReader().take(bytes)
  t.equal(whole.length, 3)
  t.match(whole[0], { kind: 'sent', count: 7, latenciesMs: [0.5, 2] })
  t.match(whole[2], { kind: 'fact', fact: { fact: 'done' } })
  for (let cut = 0; cut < bytes.length; cut++) {
    const reader = new FrameReader()
    const first = reader.take(bytes.subarray(0, cut))
    t.ok(first.length < 3)
    t.same([...first, ...reader.take(bytes.subarray(cut))], whole)
  }
})
