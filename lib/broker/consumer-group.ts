import type { RemotingConnection } from '../remoting/index.ts'
import type { ConsumerSays } from './heartbeat.ts'
import type { Member } from './member.ts'
import type { Subscription } from './subscription.ts'

/** Subscriptions of others that one heartbeat is compared with at most: it must not hold others up. */
const MAX_COMPARED = 10_000

/** Who consumes for a group at present, and what. @see RocketMQ ConsumerGroupInfo */
export class ConsumerGroup {
  readonly name: string
  consumeType = ''
  messageModel = ''
  consumeFromWhere = ''
  /** By topic. */
  readonly subscriptions = new Map<string, Subscription>()
  readonly members = new Map<RemotingConnection, Member>()
  /** Of the last heartbeat that told one. */
  fingerprint: number | undefined
  /** When a member was last heard of. */
  updatedAtMs: number

  constructor (name: string, nowMs: number) {
    this.name = name
    this.updatedAtMs = nowMs
  }

  /** Each once, in the order they came. */
  get clientIds (): string[] { return [...new Set([...this.members.values()].map(({ clientId }) => clientId))] }

  member (clientId: string): Member | undefined {
    for (const member of this.members.values()) if (member.clientId === clientId) return member
    return undefined
  }

  /**
   * What a member wants of a topic: what it said itself, else what the group's members did. Members are to agree; where they do not,
   * each is served as it said.
   */
  subscriptionOf (connection: RemotingConnection, clientId: string | undefined, topic: string): Subscription | undefined {
    const member = this.members.get(connection) ?? (clientId === undefined ? undefined : this.member(clientId))
    return member?.subscriptions.get(topic) ?? this.subscriptions.get(topic)
  }

  /** Another member that wants something else of one of these topics, and which; of very many not all are compared. */
  conflictOf (connection: RemotingConnection, subscriptions: Iterable<Subscription>): { readonly subscription: Subscription, readonly other: Member, readonly theirs: Subscription } | undefined {
    let compared = 0
    for (const subscription of subscriptions) {
      for (const other of this.members.values()) {
        if (++compared > MAX_COMPARED) return undefined
        const theirs = other.connection === connection ? undefined : other.subscriptions.get(subscription.topic)
        if (theirs !== undefined && !isSame(theirs, subscription)) return { subscription, other, theirs }
      }
    }
    return undefined
  }

  /** Takes over how the group consumes. */
  describe ({ consumeType, messageModel, consumeFromWhere }: ConsumerSays): void {
    this.consumeType = consumeType
    this.messageModel = messageModel
    this.consumeFromWhere = consumeFromWhere
  }

  /**
   * Takes over subscriptions; true when they changed: a topic is new, or in a later version, or gone.
   * @see RocketMQ ConsumerGroupInfo.updateSubscription
   */
  subscribe (subscriptions: readonly Subscription[]): boolean {
    let isChanged = false
    const topics = new Set<string>()
    for (const subscription of subscriptions) {
      const { topic, subVersion } = subscription
      topics.add(topic)
      const known = this.subscriptions.get(topic)
      if (known !== undefined && known.subVersion >= subVersion) continue
      this.subscriptions.set(topic, subscription)
      if (known === undefined || !isSame(known, subscription)) isChanged = true
    }
    for (const topic of [...this.subscriptions.keys()]) {
      if (topics.has(topic)) continue
      this.subscriptions.delete(topic)
      isChanged = true
    }
    return isChanged
  }
}

export function isSame (a: Subscription, b: Subscription): boolean { return a.subString === b.subString && a.expressionType === b.expressionType }
