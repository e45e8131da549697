import type { Clock, Timer } from '../base/index.ts'
import { Rate, SAMPLE_MS } from './rate.ts'

/** More topics, or pairs of topic and group, are not told apart. */
const MAX_RATES = 100_000
const DAY_MS = 86_400_000

/** What a broker has done since it started, in all and lately. @see RocketMQ BrokerStatsManager */
export class BrokerStats {
  readonly puts: Rate
  readonly putBytes: Rate
  readonly gets: Rate
  readonly found: Rate
  readonly missed: Rate
  failedPuts = 0
  /** Of transactions, since it started: half messages stored, ends, ends that did not fit, and producers that were asked. */
  readonly transactions = { prepared: 0, committed: 0, rolledBack: 0, refused: 0, checks: 0, checksInVain: 0 }
  readonly #clock: Clock
  readonly #clusterName: string
  readonly #byTopic = new Map<string, { readonly nums: Rate, readonly size: Rate }>()
  readonly #byGroup = new Map<string, Map<string, { readonly nums: Rate, readonly size: Rate, readonly sentBack: Rate }>>()
  #rates = 0
  #samples = 0
  #day = 0
  #timer: Timer | undefined

  constructor (clock: Clock, clusterName: string) {
    this.#clock = clock
    this.#clusterName = clusterName
    this.puts = this.#newRate()
    this.putBytes = this.#newRate()
    this.gets = this.#newRate()
    this.found = this.#newRate()
    this.missed = this.#newRate()
    this.#schedule()
  }

  close (): void { this.#timer?.cancel() }

  stored (topic: string, messages: number, bytes: number): void {
    this.puts.add(messages)
    this.putBytes.add(bytes)
    const rates = this.#byTopic.get(topic) ?? this.#newTopic(topic)
    rates?.nums.add(messages)
    rates?.size.add(bytes)
  }

  sendFailed (): void { this.failedPuts++ }

  got (topic: string, group: string, messages: number, bytes: number): void {
    if (messages === 0) {
      this.missed.add(1)
      return
    }
    this.found.add(1)
    this.gets.add(messages)
    const rates = this.#ofGroup(topic, group)
    rates?.nums.add(messages)
    rates?.size.add(bytes)
  }

  sentBack (topic: string, group: string): void { this.#ofGroup(topic, group)?.sentBack.add(1) }

  /** Messages a second that came to the topic in the last minute. */
  putTps (topic: string): number { return this.#byTopic.get(topic)?.nums.lastMinute.tps ?? 0 }

  /** Messages a second that the group got of all its topics, or of one, in the last minute. */
  consumeTps (group: string, topic?: string): number {
    let tps = 0
    for (const [name, { nums }] of this.#byGroup.get(group) ?? []) if (topic === undefined || topic === name) tps += nums.lastMinute.tps
    return tps
  }

  /** By the names that tools ask for. Undefined: there is none. */
  rate (name: string, key: string): Rate | undefined {
    const at = key.lastIndexOf('@')
    const ofGroup = at < 0 ? undefined : this.#byGroup.get(key.slice(at + 1))?.get(key.slice(0, at))
    switch (name) {
      case 'TOPIC_PUT_NUMS': return this.#byTopic.get(key)?.nums
      case 'TOPIC_PUT_SIZE': return this.#byTopic.get(key)?.size
      case 'GROUP_GET_NUMS': return ofGroup?.nums
      case 'GROUP_GET_SIZE': return ofGroup?.size
      case 'SNDBCK_PUT_NUMS': return ofGroup?.sentBack
      case 'BROKER_PUT_NUMS': return key === this.#clusterName ? this.puts : undefined
      case 'BROKER_GET_NUMS': return key === this.#clusterName ? this.gets : undefined
      default: return undefined
    }
  }

  /** What belongs to the topic is forgotten. */
  topicGone (topic: string): void {
    if (this.#byTopic.delete(topic)) this.#rates--
    for (const topics of this.#byGroup.values()) if (topics.delete(topic)) this.#rates--
  }

  #newTopic (topic: string) {
    if (this.#rates >= MAX_RATES) return undefined
    this.#rates++
    const rates = { nums: this.#newRate(), size: this.#newRate() }
    this.#byTopic.set(topic, rates)
    return rates
  }

  #ofGroup (topic: string, group: string) {
    let topics = this.#byGroup.get(group)
    const known = topics?.get(topic)
    if (known !== undefined || this.#rates >= MAX_RATES) return known
    this.#rates++
    if (topics === undefined) this.#byGroup.set(group, topics = new Map())
    const rates = { nums: this.#newRate(), size: this.#newRate(), sentBack: this.#newRate() }
    topics.set(topic, rates)
    return rates
  }

  #newRate (): Rate { return new Rate(this.#clock.nowMs()) }

  #schedule (): void {
    this.#timer = this.#clock.setTimer(SAMPLE_MS, () => {
      this.#sample()
      this.#schedule()
    })
  }

  #sample (): void {
    const nowMs = this.#clock.nowMs()
    const number = ++this.#samples
    const day = Math.floor(this.#clock.wallMs() / DAY_MS)
    if (this.#day !== 0 && day !== this.#day) for (const rate of [this.puts, this.gets]) rate.turnDay()
    this.#day = day
    for (const rate of [this.puts, this.putBytes, this.gets, this.found, this.missed]) rate.sample(number, nowMs)
    for (const { nums, size } of this.#byTopic.values()) for (const rate of [nums, size]) rate.sample(number, nowMs)
    for (const topics of this.#byGroup.values()) for (const { nums, size, sentBack } of topics.values()) for (const rate of [nums, size, sentBack]) rate.sample(number, nowMs)
  }
}
