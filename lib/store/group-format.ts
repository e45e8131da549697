import { MqError } from '../base/index.ts'
import { raiseFormat } from '../message/index.ts'
import { OLDEST_DATA_FORMAT } from '../replica/index.ts'
import { on, type KeyChange, type KeyValue, type Machine } from './machine.ts'
import { defineValue } from './stored-value.ts'

const KEY = 'version'
const versionValue = defineValue<number>(['int'])

/** The data format that the group writes: its oldest one until the log says otherwise, and never less again. */
export class GroupFormat implements Machine {
  readonly name = 'format'
  readonly #newest: number
  #version = OLDEST_DATA_FORMAT
  #changed = false

  readonly handlers = [on(raiseFormat, ({ version }) => { this.#raise(version) })]

  /** `newest`: what this node reads. */
  constructor (newest: number) {
    this.#newest = newest
  }

  get version (): number { return this.#version }
  get newest (): number { return this.#newest }

  resetOverlay (): void {}

  freeze (): KeyChange[] {
    if (!this.#changed) return []
    this.#changed = false
    return [...this.values()]
  }

  load (key: string, value: Uint8Array): void {
    this.#version = this.#readable(versionValue.decode(key, value))
  }

  /** None in the oldest format, which has no such value. */
  * values (): Generator<KeyValue> {
    if (this.#version > OLDEST_DATA_FORMAT) yield { key: KEY, value: versionValue.encode(this.#version) }
  }

  clear (): void {
    this.#version = OLDEST_DATA_FORMAT
    this.#changed = false
  }

  #raise (version: number): void {
    if (version <= this.#version) return
    this.#version = this.#readable(version)
    this.#changed = true
  }

  #readable (version: number): number {
    if (version > this.#newest) throw new MqError('MQ_FORMAT_TOO_NEW', `the group writes data format ${version}, this node reads up to ${this.#newest}: run a newer version on it`, { version })
    return version
  }
}
