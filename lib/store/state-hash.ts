import { hash64 } from '../base/index.ts'
import type { ConfState } from '../raft/index.ts'
import type { ConsumeQueue } from './consume-queue.ts'
import type { ConsumeQueues } from './consume-queues.ts'
import { machineKey } from './checkpoints.ts'
import type { Machine } from './machine.ts'
import { encodeUnits, PAGE_UNITS, UnitPage } from './unit-page.ts'

interface State {
  readonly index: number
  readonly confState: ConfState
  readonly machines: readonly Machine[]
  readonly consumeQueues: ConsumeQueues
}

const utf8 = new TextEncoder()

/** A hash over the state of all machines and all units at and above the floor, however they happen to be stored. */
export async function hashState ({ index, confState, machines, consumeQueues }: State): Promise<bigint> {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState
  let hash = hash64(utf8.encode(JSON.stringify([index, voters, votersOutgoing, learners, learnersNext, autoLeave])), 0n)
  const values = machines.flatMap((machine) => [...machine.values()].map(({ key, value }) => ({ key: machineKey(machine, key), value })))
  values.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
  for (const { key, value } of values) hash = hash64(value, hash64(utf8.encode(key), hash))
  const queues = [...consumeQueues.all()].sort((a, b) => a.number - b.number)
  for (const queue of queues) hash = await hashUnits(consumeQueues, queue, hash)
  return hash
}

async function hashUnits (consumeQueues: ConsumeQueues, queue: ConsumeQueue, seed: bigint): Promise<bigint> {
  let hash = hash64(utf8.encode(`${queue.number}:${queue.minOffset}`), seed)
  for (let offset = queue.minOffset; offset < queue.nextOffset;) {
    const pageNumber = Math.floor(offset / PAGE_UNITS)
    const end = Math.min((pageNumber + 1) * PAGE_UNITS, queue.nextOffset)
    const page = new UnitPage(pageNumber, offset % PAGE_UNITS)
    while (offset < end) {
      const units = await consumeQueues.units(queue, offset, end - offset)
      page.append(units.page, units.from, units.to)
      offset += units.to - units.from
    }
    hash = hash64(encodeUnits(page, page.start, page.end), hash)
  }
  return hash
}
