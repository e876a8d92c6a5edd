"""What `make up` would refuse of another route for a service. Pure: preflight, which asks the server, is not in it."""

from __future__ import annotations

from components.budget import prove
from components.drivers import refuse_drivers
from components.entries import divide
from components.needs import refuse_needs
from components.routes import refuse_routes
from components.settings import Lane, Settings, SettingsError


def refusals(settings: Settings, service: str, lane: Lane) -> list[str]:
    """Lines with which the configuration would be refused once `service` is on `lane`; none where it would not."""
    changed = settings.model_copy(
        update={
            "services": {
                **settings.services,
                service: settings.services[service].model_copy(update={"route": lane}),
            }
        }
    )
    found = [*refuse_routes(changed), *refuse_needs(changed), *refuse_drivers(changed)]
    # Arithmetic needs routes that can be, as in an update.
    return found or _sums(changed)


def _sums(changed: Settings) -> list[str]:
    try:
        divide(changed)
        prove(changed)
    except SettingsError as refused:
        return [str(refused).partition("\n")[0]]  # below the line is the table of the budget
    return []
