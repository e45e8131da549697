import { encodeJson, type JsonOutput } from '../message/index.ts'
import type { RemotingResponse } from './command.ts'
import { ResponseCode } from './response-code.ts'

export const success: RemotingResponse = { code: ResponseCode.SUCCESS }

/** `remark` says to a person what to do about it. */
export function failure (code: ResponseCode, remark: string): RemotingResponse {
  return { code, remark }
}

export function withBody (value: JsonOutput): RemotingResponse {
  return { code: ResponseCode.SUCCESS, body: encodeJson(value) }
}
