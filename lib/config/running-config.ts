import { MqError, replaceFile, type Disk } from '../base/index.ts'
import { toProperties } from './config-text.ts'
import type { EffectiveConfig } from './effective-config.ts'
import { planUpdate, updatedFile } from './runtime-update.ts'
import type { ConfigOf, KeyOf, SectionName } from './sections.ts'

type Decide<Section extends SectionName> = (wanted: ReadonlyMap<KeyOf<Section>, string>) => Promise<void>

/** What is in force in a running process, as tools ask for it and change it. */
export class RunningConfig<Section extends SectionName> {
  #config: EffectiveConfig<Section>
  readonly #disk: Disk
  readonly #file: string | undefined
  #lastUpdate: Promise<unknown> = Promise.resolve()

  /** Changes go into `file`, made if it is not there; without one they last until the end of the process. */
  constructor (config: EffectiveConfig<Section>, disk: Disk, file?: string) {
    this.#config = config
    this.#disk = disk
    this.#file = file
  }

  /** To be asked for at each use. */
  get values (): ConfigOf<Section> { return this.#config.values }

  /** Whether anybody has set it, to whatever value. */
  isGiven (key: KeyOf<Section>): boolean { return this.#config.origins[key].kind !== 'default' }

  /** The values as a .properties text, without secrets; `others` in the place of its own. */
  toProperties (others: Partial<ConfigOf<Section>> = {}): string { return toProperties({ ...this.#config, values: { ...this.#config.values, ...others } }) }

  /**
   * Takes what a .properties text says, all of it or nothing, in the order of the calls. Resolves to what has changed, when it is
   * in the file and in force. What is not decided in this process alone `decide` decides, with all that is wanted, before
   * anything is changed: when it rejects nothing is.
   * @throws MQ_INVALID_ARGUMENT as `planUpdate`, and what `decide` throws
   * @throws MQ_IO the file could not be read or written; nothing changed in this process
   */
  update (body: Uint8Array | string, decide: Decide<Section> = async () => {}): Promise<ReadonlyMap<KeyOf<Section>, string>> {
    const update = this.#lastUpdate.then(() => this.#update(body, decide))
    this.#lastUpdate = update.catch(() => {})
    return update
  }

  async #update (body: Uint8Array | string, decide: Decide<Section>): Promise<ReadonlyMap<KeyOf<Section>, string>> {
    const { config, changes, wanted } = planUpdate(this.#config, body)
    await decide(wanted)
    if (changes.size > 0 && this.#file !== undefined) await this.#write(this.#file, changes)
    this.#config = config
    return changes
  }

  async #write (file: string, changes: ReadonlyMap<KeyOf<Section>, string>): Promise<void> {
    try {
      const before = await this.#disk.readFile(file) ?? ''
      await replaceFile(this.#disk, file, Buffer.from(updatedFile(this.#config.section, file, before, changes)))
    } catch (cause) {
      throw new MqError('MQ_IO', `${file} could not be changed: ${String(cause)}`, { cause, file })
    }
  }
}
