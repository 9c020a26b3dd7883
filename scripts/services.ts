import { settings as aggregatorSettings } from '../apps/aggregator/config.ts';
import { gatewaySettings } from '../apps/gateway/config.ts';
import { kafkaSettings } from '../apps/kafka/config.ts';
import { limitsSettings } from '../apps/limits/config.ts';
import { settings as processorSettings } from '../apps/processor/config.ts';
import { querySettings } from '../apps/query/config.ts';
import { migrateSettings } from '../db/schema/config.ts';
import { authSettings, checkAuth } from '../lib/auth/settings.ts';
import { ConfigError, readConfig, type Settings, text } from '../lib/service/config.ts';
import { commonSettings } from '../lib/service/settings.ts';

/** The apps and their settings, for the scripts and tests that deal with all of them. In the order of their start. */
export interface Service {
  name: 'gateway' | 'processor' | 'query' | 'aggregator' | 'limits';
  /** Of the settings below, the one that holds its port. */
  portSetting: string;
  settings: Settings;
}

export const services: Service[] = [
  { name: 'query', portSetting: 'QUERY_PORT', settings: querySettings },
  { name: 'processor', portSetting: 'PROCESSOR_PORT', settings: processorSettings },
  { name: 'aggregator', portSetting: 'AGGREGATOR_PORT', settings: aggregatorSettings },
  { name: 'limits', portSetting: 'LIMITS_PORT', settings: limitsSettings },
  { name: 'gateway', portSetting: 'API_PORT', settings: gatewaySettings },
];

/** Settings of `npm start` itself. */
export const startSettings = {
  folder: text('DATA_FOLDER', { default: '.data', about: 'folder for the data and logs of `npm start`' }),
};

/** Who reads which settings. */
export const settingsByReader: { name: string; settings: Settings }[] = [
  ...services,
  { name: 'kafka', settings: kafkaSettings },
  { name: 'migrate', settings: migrateSettings },
  { name: '`npm start`', settings: startSettings },
];

/** Reads what every app will read; throws one ConfigError with all their issues. */
export function checkSettings(env: Record<string, string | undefined> = process.env): void {
  const issues = new Set<string>();
  const checks: (() => unknown)[] = [
    ...settingsByReader.map((reader) => () => readConfig(reader.settings, env)),
    () => checkAuth(readConfig({ ...authSettings, host: commonSettings.host }, env)),
  ];
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const issue of error.issues) issues.add(issue);
    }
  }
  if (issues.size > 0) throw new ConfigError([...issues]);
}
