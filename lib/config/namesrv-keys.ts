import { key } from './key.ts'
import { IGNORED } from './reasons.ts'
import { tlsKeys } from './tls-keys.ts'
import { boolean, int, milliseconds, path, port, text } from './value-type.ts'

export const namesrvKeys = {
  listenPort: key(port, 9876, 'port for brokers, clients and tools'),
  bindAddress: key(text, '127.0.0.1', 'address that is listened on; 0.0.0.0 for all'),
  scanNotActiveBrokerInterval: key(milliseconds(10), 5000, 'time between two looks for brokers that are silent', { isChangeable: true }),
  routeInfoPathExpiredTime: key(milliseconds(100), 120_000, 'a broker silent for that long is taken out of the routes', { isChangeable: true }),
  serverChannelMaxIdleTimeSeconds: key(int(1, 86_400, 's'), 120, 'a connection without traffic for that long is closed'),
  orderMessageEnable: key(boolean, false, 'routes carry the order configuration of their topic', { isChangeable: true }),
  returnOrderTopicConfigToBroker: key(boolean, true, 'registering brokers are told the order configuration of topics', { isChangeable: true }),
  enableAllTopicList: key(boolean, true, 'the list of all topics is given out', { isChangeable: true }),
  enableTopicList: key(boolean, true, 'the lists of topics by cluster and by kind are given out', { isChangeable: true }),
  deleteTopicWithBrokerRegistration: key(boolean, false, 'a topic that a broker no longer registers leaves its routes', { isChangeable: true }),
  needWaitForService: key(boolean, false, 'after the start no routes are given out for a while', { isChangeable: true }),
  waitSecondsForService: key(int(0, 86_400, 's'), 45, 'with needWaitForService=true, how long no routes are given out', { isChangeable: true }),
  supportActingMaster: key(boolean, false, 'routes name a slave as master when there is none and the broker allows it', { isChangeable: true }),
  notifyMinBrokerIdChanged: key(boolean, false, 'brokers are told when the lowest id of their name changes', { isChangeable: true }),
  kvConfigPath: key(path, '', 'file of the key-value table', { defaultText: 'none: it is lost at the end' }),
  configStorePath: key(path, '', 'file for changes at run time', { ignored: IGNORED.CONFIG_FILE }),
  rocketmqHome: key(path, '', 'installation directory', { ignored: IGNORED.HOME, env: 'ROCKETMQ_HOME' }),
  enableControllerInNamesrv: key(boolean, false, 'run a controller beside the name server', { ignored: IGNORED.CONTROLLER }),
  ...tlsKeys
}
