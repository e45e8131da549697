import { ADVERTISED_VERSION } from '../remoting/index.ts'
import type { BrokerContext } from './context.ts'
import { groupInfo } from './group-info.ts'
import type { Rate } from './rate.ts'
import { Perm } from './system-topics.ts'

const GIB = 1024 ** 3
const DAY_MS = 86_400_000
/** Not measured: there is no such thing here, or nothing that tools could use. The keys have to be there all the same. */
const NOTHING = '0'
/** The name of ADVERTISED_VERSION. */
const VERSION_TEXT = 'V5_3_3'
const LATENCY_STEPS = ['<=0ms', '0~10ms', '10~50ms', '50~100ms', '100~200ms', '200~500ms', '500ms~1s', '1~2s', '2~3s', '3~4s', '4~5s', '5~10s', '10s~']

/**
 * What tools, the dashboard and the exporter show of a broker: texts by name, which some of them read strictly.
 * @see RocketMQ AdminBrokerProcessor.prepareRuntimeInfo
 */
export async function runtimeInfo (context: BrokerContext): Promise<Array<[name: string, value: string]>> {
  return [...aboutItself(context), ...groupInfo(context), ...aboutTraffic(context), ...aboutTransactions(context), ...aboutQueues(context), ...await aboutStorage(context)]
}

function aboutItself ({ startedAtMs, clock, engine, config: { values } }: BrokerContext): Array<[string, string]> {
  return [
    ['brokerVersionDesc', VERSION_TEXT],
    ['brokerVersion', String(ADVERTISED_VERSION)],
    ['bootTimestamp', String(startedAtMs)],
    ['runtime', durationText(clock.wallMs() - startedAtMs)],
    ['brokerActive', String((values.brokerPermission & (Perm.read | Perm.write)) !== 0)],
    ['startAcceptSendRequestTimeStamp', NOTHING],
    // ours: what is in force, whatever the file says
    ['flushDiskType', engine.flushDiskType]
  ]
}

function durationText (ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `[ ${Math.floor(ms / DAY_MS)} days, ${Math.floor(seconds / 3600) % 24} hours, ${Math.floor(seconds / 60) % 60} minutes, ${seconds % 60} seconds ]`
}

function aboutTraffic ({ stats }: BrokerContext): Array<[string, string]> {
  const { puts, putBytes, gets, found, missed, failedPuts } = stats
  const transferred = tpsText(gets)
  return [
    ['putMessageEntireTimeMax', NOTHING],
    ['putMessageTimesTotal', String(puts.sum)],
    ['putMessageFailedTimes', String(failedPuts)],
    ['putMessageSizeTotal', String(putBytes.sum)],
    ['putMessageAverageSize', decimal(puts.sum === 0 ? 0 : putBytes.sum / puts.sum)],
    ['putMessageDistributeTime', LATENCY_STEPS.map((step) => `[${step}]:0 `).join('')],
    ['putLatency99', '0.0'],
    ['putLatency999', '0.0'],
    ['getMessageEntireTimeMax', NOTHING],
    ['putTps', tpsText(puts)],
    ['getFoundTps', tpsText(found)],
    ['getMissTps', tpsText(missed)],
    ['getTotalTps', [0, 1, 2].map((window) => decimal(windowsOf(found)[window]! + windowsOf(missed)[window]!)).join(' ')],
    ['getTransferredTps', transferred],
    ['getTransferedTps', transferred],
    ['msgPutTotalYesterdayMorning', String(puts.yesterdayMorning)],
    ['msgPutTotalTodayMorning', String(puts.todayMorning)],
    ['msgPutTotalTodayNow', String(puts.sum)],
    ['msgGetTotalYesterdayMorning', String(gets.yesterdayMorning)],
    ['msgGetTotalTodayMorning', String(gets.todayMorning)],
    ['msgGetTotalTodayNow', String(gets.sum)]
  ]
}

/** Ours, beside what RocketMQ's tools know: since the start, but for those that wait, or were given up, now. */
function aboutTransactions ({ stats: { transactions }, engine: { store: { halves } } }: BrokerContext): Array<[string, string]> {
  const { prepared, committed, rolledBack, refused, checks, checksInVain } = transactions
  return [
    ['transactionsPrepared', String(prepared)],
    ['transactionsCommitted', String(committed)],
    ['transactionsRolledBack', String(rolledBack)],
    ['transactionsRefused', String(refused)],
    ['transactionChecks', String(checks)],
    ['transactionChecksInVain', String(checksInVain)],
    ['transactionsWaiting', String(halves.pendingCount)],
    ['transactionsGivenUp', String(halves.discardedCount)]
  ]
}

/** Of the last 10 s, of a minute and of an hour (where RocketMQ has 10 minutes). */
function windowsOf (rate: Rate): [number, number, number] { return [rate.lastSamples.tps, rate.lastMinute.tps, rate.lastHour.tps] }
function tpsText (rate: Rate): string { return windowsOf(rate).map(decimal).join(' ') }

/** Java writes a fraction, always. */
function decimal (value: number): string { return Number.isInteger(value) ? `${value}.0` : String(value) }

function aboutQueues ({ sends, pulls, config: { values } }: BrokerContext): Array<[string, string]> {
  const queue = (name: string, size: number, capacity: number): Array<[string, string]> => [
    [`${name}ThreadPoolQueueSize`, String(size)], [`${name}ThreadPoolQueueCapacity`, String(capacity)], [`${name}ThreadPoolQueueHeadWaitTimeMills`, NOTHING]
  ]
  return [
    ...queue('send', sends.inFlight, values.sendThreadPoolQueueCapacity),
    ...queue('pull', pulls.waiting.count, values.pullThreadPoolQueueCapacity),
    ...queue('litePull', 0, values.pullThreadPoolQueueCapacity),
    ...queue('query', 0, values.sendThreadPoolQueueCapacity),
    ...queue('ack', 0, values.sendThreadPoolQueueCapacity),
    ['EndTransactionQueueSize', NOTHING],
    ['EndTransactionThreadPoolQueueCapacity', NOTHING],
    ['timerReadBehind', NOTHING],
    ['timerOffsetBehind', NOTHING],
    ['timerCongestNum', NOTHING],
    ['timerEnqueueTps', '0.0'],
    ['timerDequeueTps', '0.0']
  ]
}

async function aboutStorage ({ engine, disk, config: { values } }: BrokerContext): Promise<Array<[string, string]>> {
  const { log: { minPosition, maxPosition } } = engine.stats()
  const { freeBytes, totalBytes } = await disk.room(values.storePathRootDir)
  const usedRatio = decimal(totalBytes === 0 ? 0 : 1 - freeBytes / totalBytes)
  return [
    ['commitLogMinOffset', String(minPosition)],
    ['commitLogMaxOffset', String(maxPosition)],
    ['commitLogDiskRatio', usedRatio],
    [`commitLogDiskRatio_${values.storePathRootDir}`, usedRatio],
    ['consumeQueueDiskRatio', usedRatio],
    ['commitLogDirCapacity', `Total : ${gib(totalBytes)} GiB, Free : ${gib(freeBytes)} GiB.`],
    ['earliestMessageTimeStamp', String(await engine.earliestStoreTimestamp())],
    ['dispatchMaxBuffer', NOTHING],
    ['dispatchBehindBytes', NOTHING],
    ['pageCacheLockTimeMills', NOTHING],
    ['remainTransientStoreBufferNumbs', NOTHING],
    ['remainHowManyDataToCommit', '0 B'],
    ['remainHowManyDataToFlush', '0 B'],
    ...values.messageDelayLevel.map((_, level): [string, string] => [`scheduleMessageOffset_${level + 1}`, '0,0'])
  ]
}

function gib (bytes: number): string { return (bytes / GIB).toFixed(1) }
