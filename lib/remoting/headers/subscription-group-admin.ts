import { RequestCode } from '../request-code.ts'
import { bool, defineRequest, int, optional, text } from '../header-codec.ts'

/** 200 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP: SubscriptionGroupConfig in the body. */
export const updateAndCreateSubscriptiongroup = defineRequest(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)

/** 225 UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST: {"groupConfigList":[SubscriptionGroupConfig]} in the body. */
export const updateAndCreateSubscriptiongroupList = defineRequest(RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST)

/**
 * 201 GET_ALL_SUBSCRIPTIONGROUP_CONFIG
 *
 *     groupSeq          I?  first of a page
 *     dataVersion       S?
 *     maxGroupNum       I?
 *     -> totalGroupNum  I?
 *     -> body: {"dataVersion","forbiddenTable","subscriptionGroupTable"}
 */
export const getAllSubscriptiongroupConfig = defineRequest(RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
  { groupSeq: optional(int), dataVersion: optional(text), maxGroupNum: optional(int) },
  { totalGroupNum: optional(int) })

/**
 * 207 DELETE_SUBSCRIPTIONGROUP
 *
 *     groupName    S
 *     cleanOffset  B?  true: the group's offsets go too
 */
export const deleteSubscriptiongroup = defineRequest(RequestCode.DELETE_SUBSCRIPTIONGROUP, { groupName: text, cleanOffset: optional(bool) })

/**
 * 352 GET_SUBSCRIPTIONGROUP_CONFIG
 *
 *     group  S
 *     -> body: SubscriptionGroupConfig
 */
export const getSubscriptiongroupConfig = defineRequest(RequestCode.GET_SUBSCRIPTIONGROUP_CONFIG, { group: text })

/**
 * 353 UPDATE_AND_GET_GROUP_FORBIDDEN
 *
 *     group     S
 *     topic     S
 *     readable  B?  absent: ask only
 *     -> body: {"group","readable","topic"}
 */
export const updateAndGetGroupForbidden = defineRequest(RequestCode.UPDATE_AND_GET_GROUP_FORBIDDEN, { group: text, topic: text, readable: optional(bool) })
