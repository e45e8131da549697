import { NodeSockets } from '../../lib/adapters/index.ts'

/** The first of three ports ten apart, as far as can be told now, and one more. */
export async function freeGroupPorts (): Promise<{ readonly first: number, readonly nameServer: number }> {
  const network = new NodeSockets()
  const listen = (port: number) => network.listen({ host: '127.0.0.1', port }, ({ stream }) => { stream.destroy() })
  for (;;) {
    const nameServer = await listen(0)
    const first = nameServer.address.port + 1
    const listeners = await Promise.all([0, 10, 20].map((step) => listen(first + step).catch(() => undefined)))
    for (const listener of [nameServer, ...listeners]) await listener?.close()
    if (!listeners.includes(undefined)) return { first, nameServer: nameServer.address.port }
  }
}
