// A process of its own for specs: an embedded queue that is filled, is then reached by others, and sends on until it is killed.
import { openQueue } from '../../lib/index.ts'

const [directory, topic, queues, count, group] = process.argv.slice(2) as [string, string, string, string, string]
const IN_FLIGHT = 1000
const PAUSE_MS = 5

export type Wish = readonly [id: string, address: string]
/** `acked`: that message and all before it are confirmed. */
export type Fact = { readonly acked: number } | { readonly servesAt: string } | { readonly added: string } | { readonly voters: number }

const tell = (fact: Fact): void => { process.send!(fact) }
const queue = await openQueue(directory, { topics: { [topic]: { queues: Number(queues), codec: 'string' } } })
let next = 0
const send = async (): Promise<number> => {
  const n = next++
  await queue.send(topic, `message-${n}`)
  return n
}

const fill = async (): Promise<void> => { while (next < Number(count)) await send() }
await Promise.all(Array.from({ length: IN_FLIGHT }, fill))
tell({ acked: next - 1 })
const node = await queue.serve({ listen: '127.0.0.1:0', groupName: group })
tell({ servesAt: node.address })
process.on('message', ([id, address]: Wish) => { node.addPeer(id, address).then(() => tell({ added: id })) })
for (let voters = 1; ; await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS) })) {
  tell({ acked: await send() })
  const now = node.members().filter(({ role }) => role === 'voter').length
  if (now !== voters) tell({ voters: (voters = now) })
}
