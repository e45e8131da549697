import { MqError, isMqError } from '../base/index.ts'
import type { Engine, KeyedValue, PutProposal, PutResult, TxProposal } from '../engine/index.ts'
import { checkFunction, checkKeys, checkSignal, invalid, wrongType } from './arguments.ts'
import { encodeKeyedValue, keyTextOf, type Key } from './keyed-values.ts'
import { Message } from './message.ts'
import type { Sender } from './sender.ts'
import type { MessageOptions, TopicName, WaitOptions } from './types.ts'

/** Acknowledgements, messages and values of one transaction. */
export const MAX_TX_OPERATIONS = 1000

/** Collects what one transaction does; nothing of it happens before the function that was given to `queue.tx` has returned. */
export class Tx<Topics extends object = Record<string, any>> {
  readonly #engine: Engine
  readonly #sender: Sender
  readonly #acks = new Set<Message>()
  readonly #puts: PutProposal[] = []
  readonly #changes = new Map<string, KeyedValue | null>()
  #isOver = false

  /** @private */
  constructor (engine: Engine, sender: Sender) {
    this.#engine = engine
    this.#sender = sender
  }

  /** The message is done. @throws MQ_LEASE_LOST its lease has ended, or it was settled before */
  ack (message: Message): void {
    this.#count()
    if (!(message instanceof Message)) throw wrongType('message', 'a message of this queue', message)
    if (!message.isOf(this.#engine)) throw invalid('message', 'one of this queue', message)
    this.#acks.add(message)
    message.assertOut()
  }

  /** A message is stored; its result is among those that `queue.tx` resolves with. @throws as `queue.send` for its arguments */
  send<Name extends TopicName<Topics>> (topic: Name, body: Topics[Name], options: MessageOptions = {}): void {
    this.#count()
    this.#puts.push(this.#sender.put(topic, body, options))
  }

  /** The key has this value from then on: anything that JSON takes, or bytes; 64 KiB at most, and 1 KiB for the key. @throws MQ_PAYLOAD_INVALID, MQ_MESSAGE_TOO_LARGE */
  put (key: Key, value: unknown): void {
    this.#count()
    this.#changes.set(keyTextOf(key), encodeKeyedValue(value))
  }

  /** The key has no value any more, if it had one. */
  delete (key: Key): void {
    this.#count()
    this.#changes.set(keyTextOf(key), null)
  }

  #count (): void {
    if (this.#isOver) throw new MqError('MQ_INVALID_ARGUMENT', 'the transaction is over: what it does is collected while its function runs, which may not be async')
    const operations = 1 + this.#acks.size + this.#puts.length + this.#changes.size
    if (operations > MAX_TX_OPERATIONS) throw new MqError('MQ_MESSAGE_TOO_LARGE', `a transaction has ${MAX_TX_OPERATIONS} operations at most`, { limit: MAX_TX_OPERATIONS })
  }

  /** @private Calls the function; then nothing more is taken. */
  collect (build: (tx: Tx<Topics>) => unknown): void {
    try {
      const result = build(this)
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === 'function') {
        Promise.resolve(result).catch(() => {}) // it may fail because of what is thrown here
        throw new TypeError('the function of a transaction must not be async: do what takes time before, and collect here what goes together')
      }
    } finally {
      this.#isOver = true
    }
    for (const message of this.#acks) message.assertOut()
  }

  /** @private Undefined: it does nothing. */
  submit ({ signal, timeoutMs }: WaitOptions): Promise<PutResult[]> {
    if (this.#acks.size + this.#puts.length + this.#changes.size === 0) return Promise.resolve([])
    const acks = [...this.#acks]
    let proposal: TxProposal
    const done = new Promise<PutResult[]>((resolve, reject) => {
      proposal = this.#engine.tx({ acks: acks.map(({ delivery }) => delivery), puts: this.#puts, changes: [...this.#changes].map(([key, value]) => ({ key, value })) }, resolve, reject)
      this.#sender.guard(proposal, 'the transaction takes up to', checkSignal(signal), timeoutMs)
    }).catch((error: unknown) => {
      // what was not applied, as with options of a wrong type, has acknowledged nothing: but for what is lost, the messages are still their consumers'
      const isOut = !isMqError(error) || error.outcome === 'not-applied'
      for (const message of acks) if (isOut && !proposal.lost.includes(message.delivery)) message.reopen()
      throw error
    })
    const settled = done.then(() => {})
    settled.catch(() => {})
    for (const message of acks) message.settleWith('ack', settled)
    return done
  }
}

/** @see EmbeddedQueue.tx */
export async function runTx<Topics extends object> (engine: Engine, sender: Sender, build: (tx: Tx<Topics>) => unknown, options: WaitOptions): Promise<PutResult[]> {
  checkFunction('the transaction', build)
  checkKeys('options', options, ['signal', 'timeoutMs'])
  engine.assertOpen()
  const tx = new Tx<Topics>(engine, sender)
  tx.collect(build)
  return await tx.submit(options)
}
