import type { Engine, PutResult } from '../engine/index.ts'
import { decodeRecallHandle, type RecallHandle } from '../message/index.ts'
import { checkKeys, invalid, wrongType } from './arguments.ts'
import { checkDelivery } from './sender.ts'
import type { DeliveryOptions } from './types.ts'

/** Of a message that waits. */
export type ScheduledResult = PutResult & { readonly deliverAtMs: number, readonly recallHandle: string }

/** Messages that wait for their time, by their handles. */
export class Scheduled {
  readonly #engine: Engine

  constructor (engine: Engine) {
    this.#engine = engine
  }

  async recall (recallHandle: string): Promise<boolean> {
    const handle = checkHandle(recallHandle)
    this.#engine.assertOpen()
    return await this.#engine.recalls.recall(handle)
  }

  async reschedule (recallHandle: string, options: DeliveryOptions): Promise<ScheduledResult | undefined> {
    const handle = checkHandle(recallHandle)
    const { delay, deliverAt } = checkKeys('options', options, ['delay', 'deliverAt'])
    const time = checkDelivery(delay, deliverAt)
    if (time === undefined) throw invalid('options', 'either a delay or a time to deliver at', options)
    this.#engine.assertOpen()
    return await this.#engine.recalls.reschedule(handle, time) as ScheduledResult | undefined
  }
}

function checkHandle (recallHandle: unknown): RecallHandle {
  if (typeof recallHandle !== 'string') throw wrongType('recallHandle', 'a string', recallHandle)
  const handle = decodeRecallHandle(recallHandle)
  if (handle === undefined) throw invalid('recallHandle', 'the recallHandle of a sent message', recallHandle)
  return handle
}
