import type { NameServerSettings } from './settings.ts'

/** The configuration that a name server runs with, and how tools ask for it and change it. Whoever starts the server keeps it. */
export interface NameServerConfiguration {
  /** As they are now; asked for at each use. */
  readonly settings: NameServerSettings
  /** All keys and values as a .properties text. */
  toProperties (): string
  /**
   * Takes what the .properties text says: all of it or nothing.
   * @throws MQ_INVALID_ARGUMENT a key or value is refused; `error.refusals` may tell which and why
   */
  update (properties: Uint8Array): Promise<void>
}
