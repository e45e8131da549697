import { join } from 'node:path'
import { DirectoryLock, LevelKv, MemoryDisk, MemoryKv, NodeClock, NodeDisk, NodeRandom, noLock } from '../adapters/index.ts'
import type { Clock, Disk, Random } from '../base/index.ts'
import type { LockPort } from './data-directory.ts'

export type KvPort = LevelKv | MemoryKv

/** What the engine takes from the machine. */
export interface EnginePorts {
  readonly disk: Disk
  readonly kv: KvPort
  readonly clock: Clock
  readonly random: Random
  readonly lock: LockPort
}

/** The machine's own disk. */
export function directoryPorts (directory: string): EnginePorts {
  return { disk: new NodeDisk(), kv: new LevelKv(join(directory, 'state')), clock: new NodeClock(), random: new NodeRandom(), lock: new DirectoryLock(join(directory, 'lock')) }
}

/** Everything in memory, gone with the engine; time may be virtual. */
export function memoryPorts (clock: Clock = new NodeClock()): EnginePorts {
  return { disk: new MemoryDisk(), kv: new MemoryKv(), clock, random: new NodeRandom(), lock: noLock }
}
