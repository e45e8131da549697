import { addressText, type Address } from '../remoting/index.ts'
import { CommandError, systemErrorText } from './command-error.ts'
import { portHolder } from './port-holder.ts'

/**
 * Runs `listen`, or says why that cannot be.
 * @throws CommandError naming the address, and who has it where that can be told
 */
export async function listening<T> (who: string, address: Address, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (error) {
    if ((error as { syscall?: string }).syscall === undefined) throw error
    // it may be another port than this one that could not be had
    const { port = address.port } = error as { port?: number }
    throw new CommandError(`the ${who} cannot listen on ${addressText({ ...address, port })}: ${await objection(error, { ...address, port })}`)
  }
}

async function objection (error: unknown, { host, port }: Address): Promise<string> {
  switch ((error as { code?: string }).code) {
    case 'EADDRINUSE': return `port ${port} is in use by ${await portHolder(port) ?? 'another process'}; listenPort in the configuration file sets another one`
    case 'EACCES': return `no right to use port ${port}; ports from 1024 on need none`
    case 'EADDRNOTAVAIL': return `${host} is no address of this machine`
    case 'ENOTFOUND': case 'EAI_AGAIN': return `${host} is no known host`
    default: return systemErrorText(error)
  }
}
