"""The initial event types of the host product, which operators can change."""

from django.utils.translation import gettext_noop as _

from apps.webhooks.types.event_schemas import (
    DAY,
    INTEGER,
    MONEY,
    TIME,
    EventTypeSpec,
    described,
    event_type,
    object_schema,
    optional,
    text,
)

CUSTOMER = described(optional(text(200)), "The customer, as the product names it.")
TOTAL = described(MONEY, "The amount to pay.")
REASON = described(text(), "Why it happened.")
ORDER = {
    "order_id": described(text(64), "The order's id in the product."),
    "status": described(text(40), "The order's state, such as placed or shipped."),
}
ORDER_OPTIONAL = {
    "customer": CUSTOMER,
    "total": TOTAL,
    "lines": described(
        {
            "type": "array",
            "maxItems": 500,
            "items": object_schema(
                {
                    "sku": described(text(64), "The article."),
                    "quantity": described({"type": "integer", "minimum": 1}, "How many of it."),
                },
                {"price": described(MONEY, "The price of one.")},
                closed=False,
            ),
        },
        "The lines of the order.",
    ),
    "placed_at": described(TIME, "When the order was placed."),
}
ORDER_SAMPLE = {
    "order_id": "ORD-10042",
    "status": "placed",
    "customer": "CUST-77",
    "total": {"amount": "129.90", "currency": "EUR"},
    "lines": [{"sku": "SKU-1", "quantity": 2, "price": {"amount": "64.95", "currency": "EUR"}}],
    "placed_at": "2026-11-22T10:00:00Z",
}
INVOICE = {"invoice_id": described(text(64), "The invoice's id in the product."), "total": TOTAL}
INVOICE_OPTIONAL = {
    "order_id": described(optional(text(64)), "The order that it is for."),
    "customer": CUSTOMER,
    "due_on": described(DAY, "The day it is due."),
    "paid_at": described(TIME, "When it was paid."),
}
INVOICE_SAMPLE = {
    "invoice_id": "INV-2026-0042",
    "total": {"amount": "129.90", "currency": "EUR"},
    "order_id": "ORD-10042",
    "customer": "CUST-77",
    "due_on": "2026-12-22",
}
APPOINTMENT = {
    "appointment_id": described(text(64), "The appointment's id in the product."),
    "starts_at": described(TIME, "When it starts."),
}
APPOINTMENT_OPTIONAL = {
    "ends_at": described(TIME, "When it ends."),
    "subject": described(text(), "What it is about."),
    "customer": CUSTOMER,
    "location": described(text(), "Where it takes place."),
}
APPOINTMENT_SAMPLE = {
    "appointment_id": "APP-311",
    "starts_at": "2026-12-01T09:00:00Z",
    "ends_at": "2026-12-01T09:30:00Z",
    "subject": "Fitting",
    "customer": "CUST-77",
}

HOST_PRODUCT_EVENTS: dict[str, EventTypeSpec] = {
    "assessment.completed": event_type(
        _("A person finished an assessment."),
        {
            "assessment_id": described(text(64), "The assessment's id in the product."),
            "completed_at": described(TIME, "When it was finished."),
        },
        {
            "assessment_id": "ASM-905",
            "completed_at": "2026-11-22T10:00:00Z",
            "participant": "PART-12",
            "score": 87.5,
            "passed": True,
        },
        {
            "participant": described(optional(text(200)), "Who took it, as the product names them."),
            "score": described({"type": "number"}, "The score."),
            "passed": described({"type": "boolean"}, "Whether it was passed."),
        },
    ),
    "license.updated": event_type(
        _("A licence was granted, changed or ended."),
        {
            "license_id": described(text(64), "The licence's id in the product."),
            "status": described(text(40), "The licence's state, such as active."),
        },
        {"license_id": "LIC-8", "status": "active", "product": "Pro", "seats": 25, "valid_until": "2027-11-22"},
        {
            "product": described(text(), "What is licensed."),
            "seats": described(optional(INTEGER), "For how many people; null: any number."),
            "valid_until": described(optional(DAY), "The last day; null: without end."),
        },
    ),
    "order.created": event_type(_("An order was placed."), ORDER, ORDER_SAMPLE, ORDER_OPTIONAL),
    "order.updated": event_type(
        _("An order was changed."), ORDER, ORDER_SAMPLE | {"status": "shipped"}, ORDER_OPTIONAL
    ),
    "order.cancelled": event_type(
        _("An order was cancelled."),
        ORDER,
        {"order_id": "ORD-10042", "status": "cancelled", "reason": "Customer's wish"},
        ORDER_OPTIONAL | {"reason": REASON},
    ),
    "invoice.created": event_type(_("An invoice was issued."), INVOICE, INVOICE_SAMPLE, INVOICE_OPTIONAL),
    "invoice.paid": event_type(
        _("An invoice was paid in full."),
        INVOICE,
        INVOICE_SAMPLE | {"paid_at": "2026-11-30T08:15:00Z"},
        INVOICE_OPTIONAL,
    ),
    "appointment.booked": event_type(
        _("An appointment was booked."), APPOINTMENT, APPOINTMENT_SAMPLE, APPOINTMENT_OPTIONAL
    ),
    "appointment.cancelled": event_type(
        _("An appointment was cancelled."),
        APPOINTMENT,
        {"appointment_id": "APP-311", "starts_at": "2026-12-01T09:00:00Z", "reason": "Ill"},
        APPOINTMENT_OPTIONAL | {"reason": REASON},
    ),
}
