import { isMqError, wait, type Clock, type Logger } from '../base/index.ts'
import { addressText, type Address } from '../remoting/index.ts'

/** While there is no link to the master, it is looked for so often. */
const LOOK_EVERY_MS = 5000

export interface MasterWatchOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Where it was last, if that is known. */
  readonly known: Address | undefined
  /** Asks the name servers until one knows. */
  readonly find: (signal: AbortSignal) => Promise<Address>
  readonly isLinked: () => boolean
  readonly moved: (address: Address) => void
}

/** A replica looks for its master again whenever it has lost it, or had not found it when it was started: it may be elsewhere by then. */
export class MasterWatch {
  readonly #options: MasterWatchOptions
  readonly #end = new AbortController()
  readonly #running: Promise<void>

  constructor (options: MasterWatchOptions) {
    this.#options = options
    this.#running = this.#run().catch((error: unknown) => {
      if (!isMqError(error, 'MQ_ABORTED')) options.logger.error('the master is not looked for any more', { error })
    })
  }

  async stop (): Promise<void> {
    this.#end.abort()
    await this.#running
  }

  async #run (): Promise<void> {
    const { clock, logger, known, find, isLinked, moved } = this.#options
    const { signal } = this.#end
    for (let last = known === undefined ? '' : addressText(known); ; await wait(clock, LOOK_EVERY_MS, signal)) {
      if (isLinked()) continue
      const address = await find(signal)
      if (addressText(address) === last) continue
      last = addressText(address)
      logger.info('the master is to be found at another address', { address: last })
      moved(address)
    }
  }
}
