import { MqError, turn, type Clock } from '../base/index.ts'

const AT_A_TIME = 1024

/** Counts the queues that an answer is to tell of: others have their turn in between, and what would not fit is refused early. */
export class QueueWalk {
  readonly #clock: Clock
  readonly #most: number
  #count = 0

  constructor (clock: Clock, most: number) {
    this.#clock = clock
    this.#most = most
  }

  /** To be awaited before each topic, with the number of its queues. @throws MQ_INVALID_ARGUMENT they are too many */
  async topic (queues: number): Promise<void> {
    this.#count += queues
    if (this.#count > this.#most) throw new MqError('MQ_INVALID_ARGUMENT', `the answer would tell of more than ${this.#most} queues (maxQueuesPerAnswer): ask for fewer topics at a time`)
    if (this.#count % AT_A_TIME < queues) await turn(this.#clock)
  }
}
