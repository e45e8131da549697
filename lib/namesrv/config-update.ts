import { isMqError, type MqError } from '../base/index.ts'
import type { RunningConfig, SectionName, UpdateRefusal } from '../config/index.ts'
import { failure, ResponseCode, success, type RemotingResponse } from '../remoting/index.ts'

/** Answers a tool that changes the running configuration of a server. */
export async function answerConfigUpdate<Section extends SectionName> (config: RunningConfig<Section>, body: Uint8Array, onChanged?: (changes: ReadonlyMap<string, string>) => void): Promise<RemotingResponse> {
  try {
    const changes = await config.update(body)
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
