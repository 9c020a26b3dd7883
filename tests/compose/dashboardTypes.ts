import type { Options as BarChart } from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen.d.ts';
import type { Options as Logs } from '@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen.d.ts';
import type { LokiDataQuery } from '@grafana/schema/dist/esm/raw/composable/loki/dataquery/x/LokiDataQuery_types.gen.d.ts';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts';
import type { Options as Table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts';
import type {
  Options as TimeSeries,
  FieldConfig as TimeSeriesField,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';
import type {
  Dashboard as AnyDashboard,
  FieldConfig,
  GridPos,
  Panel,
  VariableModel,
} from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen.d.ts';

/**
 * A dashboard as the Grafana of compose.yaml understands it, by its own types, each kind of panel with the options that
 * it has. Grafana itself forgives everything it doesn't know: a mistyped option is left out in silence.
 */
export interface Dashboard extends Json<Omit<AnyDashboard, 'panels' | 'templating'>> {
  uid: string;
  title: string;
  description: string;
  time: { from: string; to: string };
  templating: { list: Variable[] };
  panels: (Row | TimeSeriesPanel | StatPanel | BarChartPanel | TablePanel | LogsPanel)[];
}

type Variable = Json<VariableModel> & { definition?: string };

interface Row {
  id: number;
  type: 'row';
  title: string;
  collapsed: false;
  gridPos: Json<GridPos>;
  panels: [];
}

/** What every panel that shows something has. */
interface Shown extends Json<Omit<Panel, 'type' | 'options' | 'targets' | 'fieldConfig'>> {
  id: number;
  title: string;
  gridPos: Json<GridPos>;
  targets: [Target, ...Target[]];
  fieldConfig: Fields<Record<string, never>>;
}

interface Fields<Custom> {
  defaults: Json<Omit<FieldConfig, 'custom'>> & { custom?: Custom };
  overrides: { matcher: { id: string; options: string }; properties: { id: string; value: unknown }[] }[];
}

interface TimeSeriesPanel extends Omit<Shown, 'fieldConfig'> {
  type: 'timeseries';
  options: Some<TimeSeries>;
  fieldConfig: Fields<Some<TimeSeriesField>>;
}
interface StatPanel extends Shown {
  type: 'stat';
  options: Some<Stat>;
}
interface BarChartPanel extends Shown {
  type: 'barchart';
  options: Some<BarChart>;
}
interface TablePanel extends Shown {
  type: 'table';
  options: Some<Table>;
}
interface LogsPanel extends Shown {
  type: 'logs';
  options: Some<Logs>;
}

type Target = PrometheusTarget | SqlTarget | (Json<Omit<LokiDataQuery, 'datasource'>> & From<'loki'>);

interface PrometheusTarget extends From<'prometheus'> {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
}
interface SqlTarget extends From<'postgres'> {
  refId: string;
  rawSql: string;
  format: 'time_series' | 'table';
  rawQuery: true;
  editorMode: 'code';
}
interface From<Name extends string> {
  datasource: { type: Name; uid: Name };
}

/** T as JSON writes it: an enumeration is its values. */
type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

/** Options that are left out have the panel's defaults. */
type Some<T> = T extends string
  ? `${T}`
  : T extends readonly unknown[]
    ? { [K in keyof T]: Some<T[K]> }
    : T extends object
      ? { [K in keyof T]?: Some<T[K]> }
      : T;
