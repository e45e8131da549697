import { checkTransactionState, RequestCode, sendMessageResponse, type HeaderOf } from '../../lib/remoting/index.ts'
import type { Client } from '../broker/support.ts'

export const TransactionState = { commit: 8, rollback: 12, unknown: 0 } as const
type State = typeof TransactionState[keyof typeof TransactionState]

/** A transactional producer as the article's: it sends a half message, does its own work, and says what became of it; it answers when it is asked. */
export class TransactionalProducer {
  readonly #client: Client
  readonly #group: string
  #count = 0

  constructor (client: Client, group: string) {
    this.#client = client
    this.#group = group
  }

  async start (): Promise<void> { await this.#client.heartbeat('producer', { producers: [this.#group] }) }

  async send (topic: string, body: string, executeLocally: () => State): Promise<void> {
    const msgId = `T${this.#count++}`
    const sent = await this.#client.send(topic, body, { TRAN_MSG: 'true', PGROUP: this.#group, UNIQ_KEY: msgId })
    const state = executeLocally()
    if (state !== TransactionState.unknown) await this.#end(sent.queueOffset, parseInt(sent.msgId.slice(16), 16), msgId, state, false)
  }

  /** Answers what the broker has asked since the last call; returns how often that was. */
  async answer (checkLocally: (msgId: string) => State): Promise<number> {
    const asked = this.#client.asked.splice(0).filter(({ code }) => code === RequestCode.CHECK_TRANSACTION_STATE)
    for (const request of asked) {
      const { tranStateTableOffset, commitLogOffset, msgId = '' } = checkTransactionState.request.decode(request)
      await this.#end(tranStateTableOffset, commitLogOffset, msgId, checkLocally(msgId), true)
    }
    return asked.length
  }

  async #end (tranStateTableOffset: HeaderOf<typeof sendMessageResponse>['queueOffset'], commitLogOffset: number, msgId: string, commitOrRollback: State, fromTransactionCheck: boolean): Promise<void> {
    await this.#client.ask(RequestCode.END_TRANSACTION, { producerGroup: this.#group, tranStateTableOffset, commitLogOffset, commitOrRollback, fromTransactionCheck, msgId })
  }
}
