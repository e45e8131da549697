import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { until, type ClusterProcess } from '../cluster/cluster.ts'
import type { Scene } from './scene.ts'

const damages = ['live flip', 'flip', 'old chunk', 'truncated', 'deleted', 'state flip', 'state deleted', 'vote flip'] as const
type Damage = typeof damages[number]

/** Files of the log that a node has before it is damaged. */
const LEAST_FILES = 3
/** What a node says of damage that it has met. */
const DETECTED = /asked of other nodes|written anew|is rebuilt|will be rebuilt|failed its checksum|were put in place|MQ_CORRUPT|damaged|base dump/
const CHUNK_BYTES = 4096
const LOOK_EVERY_MS = 50
/** Of the damage done last. */
let where = ''

/**
 * Damages files of one follower; it has to notice, to be healed from the others, and not to lead before. False: there was nothing to
 * damage, or what was damaged was of no use to it: that is no round.
 */
export async function damageRound (scene: Scene, round: number): Promise<void | false> {
  const damage = damages[round % damages.length]!
  const leader = await scene.group.leader()
  const node = scene.choose(scene.group.followersOf(leader))
  const data = join(node.folder, 'data')
  await until(`the log of ${node.name} is long enough`, async () => (await segments(data)).length >= LEAST_FILES)
  if (damage === 'live flip') return await liveFlip(scene, node, data)
  const old = damage === 'old chunk' ? await lastSegment(data) : undefined
  // so that there is more behind what is damaged, which says that it was synced
  if (old !== undefined) await scene.steady('before the fault', 400)
  await node.kill()
  const isDamaged = await maybeDamage(scene, damage, data, old)
  await scene.steady('during the fault')
  await node.start()
  const watch = watchRole(node)
  await until(`${node.name} serves or refuses`, () => node.isReady || !node.isRunning)
  if (!node.isRunning) {
    watch.stop()
    scene.count('refused to start')
    scene.count('detected')
    scene.tell(`${damage}: ${node.warnings.at(-1)}`)
    if (!/MQ_CORRUPT|damage|checksum/i.test(node.output)) scene.problems.push(`${node.name} does not start after ${damage}: ${node.output.slice(-2000)}`)
    // what an operator does with a disk that is gone
    await node.wipe()
    await scene.start([node])
    await scene.whole()
    scene.count(damage)
    return
  }
  await scene.inSync()
  if (watch.stop()) scene.problems.push(`${node.name} led before it was whole, after ${damage}`)
  if (!isDamaged) return false
  const isDetected = !hasNoticed(node) && await readAll(scene, node)
  return judge(scene, node, damage, isDetected)
}

/** While it serves; it has not in memory what is damaged. */
async function liveFlip (scene: Scene, node: ClusterProcess, data: string): Promise<void | false> {
  await node.kill()
  const old = (await segments(data)).slice(0, -1)
  await scene.start([node])
  await scene.inSync()
  const watch = watchRole(node)
  const segment = await readSegment(scene.choose(old))
  // of a message, that somebody reads
  const place = segment.bytes.indexOf('....', Math.floor(scene.random.next() * segment.usedBytes))
  if (place >= 0) await write(segment.path, place, (byte) => byte ^ (1 << Math.floor(scene.random.next() * 8)))
  await scene.steady('during the fault')
  const isDetected = await readAll(scene, node)
  if (watch.stop()) scene.problems.push(`${node.name} led before it was whole, after a live flip`)
  return place < 0 ? false : judge(scene, node, 'live flip', isDetected)
}

/** What is damaged of the database is rebuilt by the next start. Returns whether that was needed. */
async function readAll (scene: Scene, node: ClusterProcess): Promise<boolean> {
  try {
    await scene.readBack(node)
    return false
  } catch (error) {
    scene.tell(`read from ${node.name}: ${(error as Error).message}`)
    scene.count('healed by the next start')
    await node.kill()
    await scene.start([node])
    await scene.whole()
    await scene.readBack(node)
    return true
  }
}

const hasNoticed = (node: ClusterProcess): boolean => node.warnings.some((line) => DETECTED.test(line))

function judge (scene: Scene, node: ClusterProcess, damage: Damage, isDetected: boolean): void | false {
  if (isDetected || hasNoticed(node)) {
    scene.count(damage)
    scene.count('detected')
    scene.tell(`${damage}, ${where}: ${node.warnings.filter((line) => DETECTED.test(line)).at(-1) ?? 'found when it was read'}`)
    return
  }
  scene.tell(`${damage} without effect: ${where}`)
  return false
}

/** Whether it ever says that it leads, until it is stopped. */
function watchRole (node: ClusterProcess): { stop (): boolean } {
  let led = false
  const timer = setInterval(() => {
    node.figures().then((figures) => { led ||= figures?.['groupRole'] === 'leader' }, () => {})
  }, LOOK_EVERY_MS)
  return { stop: () => { clearInterval(timer); return led } }
}

interface Segment { readonly path: string, readonly bytes: Buffer, readonly usedBytes: number }

async function segments (data: string): Promise<string[]> {
  const names = (await readdir(join(data, 'log'))).filter((name) => name.endsWith('.seg')).sort()
  return names.map((name) => join(data, 'log', name))
}

async function readSegment (path: string): Promise<Segment> {
  const bytes = await readFile(path)
  let usedBytes = bytes.length
  while (usedBytes > 0 && bytes[usedBytes - 1] === 0) usedBytes--
  return { path, bytes, usedBytes }
}

async function lastSegment (data: string): Promise<Segment> { return await readSegment((await segments(data)).at(-1)!) }

/** False: there is nothing that could be damaged so. */
async function maybeDamage (scene: Scene, damage: Exclude<Damage, 'live flip'>, data: string, old: Segment | undefined): Promise<boolean> {
  const logs = await segments(data)
  const below = (limit: number): number => Math.floor(scene.random.next() * limit)
  switch (damage) {
    case 'flip': {
      // the last bytes may have been written and not synced, where nobody else has them either
      const segment = await readSegment(scene.choose(logs.length > 1 ? logs.slice(0, -1) : logs))
      where = segment.path
      if (segment.usedBytes < 3 * CHUNK_BYTES) return false
      await write(segment.path, below(segment.usedBytes - 2 * CHUNK_BYTES), (byte) => byte ^ (1 << below(8)))
      return true
    }
    case 'old chunk': {
      const now = await readSegment(old!.path)
      const from = Math.ceil(old!.usedBytes / CHUNK_BYTES) * CHUNK_BYTES
      // more must lie behind it
      if (now.usedBytes < from + 4 * CHUNK_BYTES && logs.at(-1) === old!.path) return false
      if (now.usedBytes < from + CHUNK_BYTES) return false
      const file = await open(old!.path, 'r+')
      const chunk = Buffer.alloc(CHUNK_BYTES)
      chunk.set(old!.bytes.subarray(from, from + CHUNK_BYTES))
      await file.write(chunk, 0, CHUNK_BYTES, from)
      await file.close()
      return true
    }
    case 'truncated': {
      if (logs.length < 2) return false
      const path = where = scene.choose(logs.slice(0, -1))
      await truncate(path, below((await stat(path)).size))
      return true
    }
    case 'deleted': {
      if (logs.length < 2) return false
      where = scene.choose(logs.slice(0, -1))
      await rm(where)
      return true
    }
    case 'state flip':
    case 'state deleted': {
      const files = (await readdir(join(data, 'state')).catch(() => [])).filter((name) => name !== 'LOCK' && !name.startsWith('LOG'))
      const path = join(data, 'state', scene.choose(files))
      const { size } = await stat(path)
      if (size === 0) return false
      where = `${path} of ${files.join()}`
      if (damage === 'state deleted') await rm(path)
      else await write(path, below(size), (byte) => byte ^ (1 << below(8)))
      return true
    }
    case 'vote flip': {
      const path = join(data, 'vote')
      await write(path, below(24), (byte) => byte ^ (1 << below(8)))
      return true
    }
  }
}

async function write (path: string, at: number, change: (byte: number) => number): Promise<void> {
  where = `${path} ${at}`
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0] = change(byte[0]!)
  await file.write(byte, 0, 1, at)
  await file.close()
}
