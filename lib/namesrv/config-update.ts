import { isMqError, type MqError } from '../base/index.ts'
import type { RunningConfig, SectionName, UpdateRefusal } from '../config/index.ts'
import { failure, ResponseCode, success, type RemotingResponse } from '../remoting/index.ts'

interface ConfigUpdateOptions<Section extends SectionName> {
  /** @see RunningConfig.update */
  readonly decide?: Parameters<RunningConfig<Section>['update']>[1]
  readonly onChanged?: (changes: ReadonlyMap<string, string>) => void
}

/** Answers a tool that changes the running configuration of a server. @throws what `decide` throws, MQ_IO */
export async function answerConfigUpdate<Section extends SectionName> (config: RunningConfig<Section>, body: Uint8Array, { decide, onChanged }: ConfigUpdateOptions<Section> = {}): Promise<RemotingResponse> {
  try {
    const changes = await config.update(body, decide)
    if (changes.size > 0) onChanged?.(changes)
    return success
  } catch (error) {
    if (!isMqError(error, 'MQ_INVALID_ARGUMENT')) throw error
    return failure(isFixed(error) ? ResponseCode.NO_PERMISSION : ResponseCode.INVALID_PARAMETER, error.message)
  }
}

/** Whether a key was refused that is not to be changed while running, whatever the value. */
function isFixed (error: MqError): boolean {
  const refusals = (error.refusals ?? []) as readonly UpdateRefusal[]
  return refusals.some(({ reason }) => reason === 'not-changeable' || reason === 'no-effect')
}
