import { hostname, networkInterfaces } from 'node:os'

const ANY = ['0.0.0.0', '::', '']

/** A name for a broker of this machine: its host name, as far as it may stand in names of topics. */
export function hostName (): string {
  return hostname().replace(/[^\w%|-]/g, '_').slice(0, 127) || 'localhost'
}

/** The address that clients reach a server at which listens on `bound`: that one, or the machine's first outer address if it is any. */
export function reachableAddress (bound: string): string {
  if (!ANY.includes(bound)) return bound
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).filter(({ internal }) => !internal)
  return (all.find(({ family }) => family === 'IPv4') ?? all[0])?.address ?? '127.0.0.1'
}

/** The address that this machine reaches a server of its own at. */
export function localAddress (bound: string): string {
  return bound === '::' ? '::1' : ANY.includes(bound) ? '127.0.0.1' : bound
}
