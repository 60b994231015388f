"""Every address of the FHIR API: the one list, from which the CapabilityStatement follows as well."""

from __future__ import annotations

from fhir_server.rest.bundles import post_bundle
from fhir_server.rest.compartment import search_compartment, search_compartment_by_form
from fhir_server.rest.instance import (
    delete_instance,
    instance_history,
    patch_instance,
    read_instance,
    read_version,
    update_instance,
)
from fhir_server.rest.operation import operation_routes
from fhir_server.rest.opt_outs import load_opt_outs, tell_opt_outs
from fhir_server.rest.person_index import person_index
from fhir_server.rest.routing import table
from fhir_server.rest.service import Route
from fhir_server.rest.smart import smart_configuration
from fhir_server.rest.system import (
    metadata,
    search_system,
    search_system_by_form,
    system_history,
)
from fhir_server.rest.type import (
    create_resource,
    delete_where,
    patch_where,
    search_type,
    search_type_by_form,
    type_history,
    update_where,
)

ROUTES = table(
    (
        Route("GET", "/[type]/[id]", read_instance, ("read",)),
        Route("GET", "/[type]/[id]/_history/[vid]", read_version, ("vread",)),
        Route("PUT", "/[type]/[id]", update_instance, ("update",)),
        Route("PATCH", "/[type]/[id]", patch_instance, ("patch",)),
        Route("DELETE", "/[type]/[id]", delete_instance, ("delete",)),
        Route("GET", "/[type]/[id]/_history", instance_history, ("history-instance",)),
        Route("GET", "/[type]/_history", type_history, ("history-type",)),
        Route("POST", "/[type]", create_resource, ("create",)),
        Route("GET", "/[type]", search_type, ("search-type",)),
        Route("POST", "/[type]/_search", search_type_by_form, ("search-type",)),
        Route("PUT", "/[type]", update_where, ("update",)),
        Route("PATCH", "/[type]", patch_where, ("patch",)),
        Route("DELETE", "/[type]", delete_where, ("delete",)),
        Route("GET", "/[type]/[id]/[type]", search_compartment, ("search-type",)),
        Route("POST", "/[type]/[id]/[type]/_search", search_compartment_by_form, ("search-type",)),
        Route("GET", "/metadata", metadata, (), open=True),
        Route("GET", "/$person-index", person_index, (), judged=False),
        Route("GET", "/$opt-outs", tell_opt_outs, (), judged=False),
        Route("POST", "/$opt-outs", load_opt_outs, (), judged=False),
        Route("GET", "/.well-known/smart-configuration", smart_configuration, (), open=True),
        Route("POST", "/", post_bundle, ("transaction", "batch")),
        Route("GET", "/", search_system, ("search-system",)),
        Route("POST", "/_search", search_system_by_form, ("search-system",)),
        Route("GET", "/_history", system_history, ("history-system",)),
        *operation_routes(),
    )
)
