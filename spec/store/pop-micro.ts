import { performance } from 'node:perf_hooks'
import { AckProposal, OpenProposal, PopMachine, PopProposal, ChangeInvisibleProposal, type PopResult } from '../../lib/store/pop.ts'
import type { PopDecision } from '../../lib/store/pop-decision.ts'

/**
 * What pop costs, decision, encoding, decoding and apply, without the log: `node --import tsx spec/store/pop-micro.ts`.
 * Pops of 32 from 8 queues with 5 million messages of backlog, 64 check-outs open at any time.
 */
const machine = new PopMachine()
const handlers = new Map(machine.handlers.map((handler) => [handler.command.type, handler]))
const context = { index: 1, term: 1, storeTimestampMs: 0, physicalOffset: 0, recordPosition: 0 }
const sources = Array.from({ length: 8 }, (_, queueId) => ({ queueId, minOffset: 0, proposedNextOffset: 625_000 }))
let commands: Array<{ type: number, payload: Uint8Array }> = []
let commandBytes = 0
const writer = { addCommand (type: number, payload: Uint8Array): void { commands.push({ type, payload }); commandBytes += 10 + payload.length } } as never

function run<T> (proposal: PopDecision<T>): T {
  proposal.decide(writer, 1_700_000_000_000)
  for (const { type, payload } of commands) {
    const handler = handlers.get(type)!
    handler.apply(handler.command.decode(payload), context)
  }
  commands = []
  proposal.settle()
  return (proposal as unknown as { result: T }).result
}

run(new OpenProposal(machine, { group: 'workers', topic: 'jobs', sources, start: 'first' }))
const open: PopResult[] = []
let popMs = 0
let ackMs = 0
let renewMs = 0
let messages = 0
const rounds = 100_000
commandBytes = 0
for (let i = 0; i < rounds; i++) {
  const startMs = performance.now()
  const result = run(new PopProposal(machine, { group: 'workers', topic: 'jobs', sources, max: 32, invisibleMs: 30_000, owner: 'node-1:17' }))
  popMs += performance.now() - startMs
  messages += result.count
  open.push(result)
  if (open.length < 64) continue
  const ackStartMs = performance.now()
  run(new AckProposal(machine, open.shift()!.messages))
  ackMs += performance.now() - ackStartMs
  if (i % 10 !== 0) continue
  const renewStartMs = performance.now()
  run(new ChangeInvisibleProposal(machine, open[0]!.messages, { invisibleMs: 30_000, wholeLease: true }))
  renewMs += performance.now() - renewStartMs
}
const us = (ms: number, count: number): string => (ms / count * 1000).toFixed(2)
console.log(`${rounds} pops, ${messages} messages: pop ${us(popMs, rounds)} us, ack ${us(ackMs, rounds - 63)} us, renew ${us(renewMs, rounds / 10)} us, ${(commandBytes / rounds).toFixed(0)} bytes of commands per pop and ack`)

const { gc } = globalThis as { gc?: () => void }
if (gc === undefined) {
  console.log('with --expose-gc it also tells the memory of open check-outs')
} else {
  gc()
  const beforeBytes = process.memoryUsage().heapUsed
  const count = 20_000
  for (let i = 0; i < count; i++) {
    run(new PopProposal(machine, { group: 'workers', topic: 'jobs', sources, max: 16, invisibleMs: 30_000, owner: 'node-1:17', maxOutstanding: 1e9 }))
  }
  gc()
  console.log(`${((process.memoryUsage().heapUsed - beforeBytes) / count).toFixed(0)} bytes of heap per open check-out of 16, state and overlay`)
}
