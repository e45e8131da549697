import { NodeClock, realDirectory } from '../adapters/index.ts'
import { Engine } from '../engine/index.ts'
import { checkOpenOptions } from './options.ts'
import { EmbeddedQueue } from './queue.ts'
import { TopicRoutes } from './topic-routes.ts'
import type { OpenOptions } from './types.ts'

/**
 * Opens (or makes) a queue in `directory`, or one in memory that is gone with the process (':memory:'). Resolves when
 * everything stored is readable and sends are taken. One process at a time.
 * @throws TypeError, MQ_INVALID_ARGUMENT for the arguments
 * @throws MQ_NOT_A_DATA_DIRECTORY, MQ_READ_ONLY, MQ_LOCKED, MQ_CORRUPT, MQ_FORMAT_TOO_NEW, MQ_FORMAT_TOO_OLD, MQ_DISK_ROOM, MQ_IO for what is found there
 */
export async function openQueue<Topics extends object = Record<string, any>> (directory: string, options: OpenOptions<Topics> = {}): Promise<EmbeddedQueue<Topics>> {
  const checked = checkOpenOptions(directory, options)
  const node = checked.serve === undefined ? undefined : await (await import('./queue-node.ts')).openNode(new NodeClock(), { ...checked, directory: await realDirectory(directory) }, checked.serve)
  const engine = node === undefined ? await Engine.open({ ...checked, directory }) : node.member.engine
  try {
    const routes = new TopicRoutes(engine, checked)
    for (const [name, topic] of checked.topics) await routes.ensure(name, topic)
    return new EmbeddedQueue<Topics>(engine, engine.clock, routes, { ...checked, directory }, node)
  } catch (error) {
    await (node?.member ?? engine).close()
    throw error
  }
}
