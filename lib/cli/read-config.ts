import { readFile } from 'node:fs/promises'
import { effectiveConfig, type ConfigOf, type ConfigSources, type EffectiveConfig } from '../config/index.ts'
import { CommandError, systemErrorText } from './command-error.ts'

export type ServerSection = 'broker' | 'namesrv'

export interface ConfigRequest<Section extends ServerSection> {
  /** As given on the command line. */
  readonly file?: string | undefined
  readonly flags?: ConfigSources<Section>['flags']
  /** What depends on the machine, and on what the file says. */
  readonly defaults?: (given: ConfigOf<Section>) => Partial<ConfigOf<Section>>
}

/**
 * What is in force for a server of this machine.
 * @throws CommandError a file cannot be read
 * @throws MQ_INVALID_ARGUMENT with one line per mistake in `errors`
 */
export async function readConfig<Section extends ServerSection> (section: Section, { file, flags = [], defaults }: ConfigRequest<Section>): Promise<EffectiveConfig<Section>> {
  const files = file === undefined ? [] : [await readConfigFile(file)]
  const sources = { flags, env: process.env, files }
  const given = effectiveConfig(section, sources).values
  const tlsFile = (given as { 'tls.config.file': string })['tls.config.file']
  if (tlsFile !== '') files.unshift(await readConfigFile(tlsFile))
  return effectiveConfig(section, { ...sources, defaults: defaults?.(given) ?? {} })
}

async function readConfigFile (name: string): Promise<{ name: string, content: Uint8Array }> {
  return { name, content: await readGivenFile(name, 'configuration') }
}

/** A file that the user named. @throws CommandError */
export async function readGivenFile (path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new CommandError(`the ${what} file ${path} cannot be read: ${systemErrorText(error)}`)
  }
}
