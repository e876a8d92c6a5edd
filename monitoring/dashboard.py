"""The panels as a dashboard of Grafana, written with its own library."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, VisibilityMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue

from components.settings import Settings
from monitoring.panels import Panel, panels
from monitoring.series import Series

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT, _SPAN = 9, 12  # two panels in a row of Grafana's 24 columns


def render(settings: Settings, stack: str, series: Series) -> str:
    """JSON to import. Same settings, same bytes."""
    board = (
        dashboard.Dashboard(f"PgBouncer: {stack}")
        .uid(f"pgbouncer-{stack}"[:40])
        .description("Generated from the Pulumi stack; edits are lost at the next import.")
        .tags(["pgbouncer", "postgres"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for panel in panels(settings, series):
        board = board.with_panel(_graph(panel))
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board.build()) + "\n"


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .axis_label(panel.axis)
        .min(0)
        .height(_HEIGHT)
        .span(_SPAN)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)  # noqa: FBT003 the library's own signature
        )
    )
    for number, query in enumerate(panel.queries):
        name = f"q{number}"
        graph = graph.with_target(
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(name).range()
        )
        if query.limit:
            graph = graph.override_by_query(
                name,
                [
                    _property("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
                    _property("color", {"mode": "fixed", "fixedColor": "red"}),
                ],
            )
    return graph


def _property(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)
