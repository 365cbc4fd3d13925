@manual-3.5.2.2
Feature: Enabling and disabling CCCtrlA
  Rainbow is enabled and disabled in OMC (Cloud > Rainbow) or by MMC (System > Rainbow, key Choice).

  Background:
    Given an OXO Connect that Rainbow knows

  Rule: By OMC and by MMC

    Scenario Outline: Rainbow is enabled by <way>
      Given Rainbow is configured in OMC but not enabled
      When Rainbow is enabled by <way>
      Then the WSS link is up

      Examples:
        | way |
        | OMC |
        | MMC |

    Scenario Outline: Rainbow is disabled by <way>
      Given the WSS link was brought up
      When Rainbow is disabled by <way>
      Then the WebSocket is closed cleanly by the PBX
      And the PBX is silent for 1 hour

      Examples:
        | way |
        | OMC |
        | MMC |

    Scenario Outline: Rainbow is disabled by <way> while the PBX waits for its next attempt
      Given the firewall is rejecting
      And Rainbow was enabled in OMC
      And 5 minutes have passed
      When Rainbow is disabled by <way>
      Then the PBX is silent for 1 hour

      Examples:
        | way |
        | OMC |
        | MMC |

    Scenario: Rainbow is disabled in the middle of an attempt
      Given the PCG accepts connections and is silent
      And Rainbow was enabled in OMC
      When Rainbow is disabled by OMC
      Then the PBX has no open connection
      And the PBX is silent for 1 hour

    Scenario: What MMC does shows in OMC
      Given the WSS link was brought up
      When Rainbow is disabled by MMC
      Then OMC shows Rainbow as disabled

    Scenario: What OMC does shows in MMC
      Given the WSS link was brought up
      When Rainbow is disabled by OMC
      Then MMC shows Rainbow as disabled

    Scenario: A page that is left with Cancel changes nothing
      Given the WSS link was brought up
      When Rainbow is unchecked in OMC and the page is left with Cancel
      And 10 minutes pass
      Then the WSS link is still the same
      And OMC shows Rainbow as enabled

    Scenario: MMC asks for the administrator's password
      Given the WSS link was brought up
      When somebody tries to disable Rainbow by MMC with a wrong password
      And 10 minutes pass
      Then the WSS link is still the same

  Rule: Enabling and disabling does not reinitialise connection parameters already configured

    Scenario Outline: Parameters survive: <happens>
      Given Rainbow is also at the domain "rainbow.example"
      And the domain in OMC is "rainbow.example"
      And the web proxy asks for an account
      And the web proxy is configured in OMC with that account
      And the WSS link was brought up
      When <happens>
      Then OMC shows the same connection parameters as before
      And the next WSS link uses the same parameters

      Examples:
        | happens                                                        |
        | Rainbow is disabled and enabled again by OMC                   |
        | Rainbow is disabled and enabled again by MMC                   |
        | Rainbow is disabled by OMC and enabled by MMC                  |
        | Rainbow is disabled by MMC and enabled by OMC                  |
        | Rainbow is disabled, the PBX restarts and Rainbow is enabled   |
        | the PBX restarts                                               |
        | the power is cut                                               |
        | the power is cut while Rainbow is being disabled               |
        | the power is cut while Rainbow is being enabled                |
        | Rainbow is disabled and enabled 5 times                        |

    Scenario: An activation code that was not used yet is kept
      Given the firewall is rejecting
      And Rainbow was enabled in OMC
      And Rainbow was disabled by OMC
      And the firewall became permissive
      When Rainbow is enabled by MMC
      Then the WSS link is up
      And the PBX logged in with the activation code

    Scenario: A disabled PBX stays disabled over a restart
      Given the WSS link was brought up
      And Rainbow was disabled by OMC
      When the PBX restarts
      Then the PBX is silent for 1 hour

    Scenario: Parameters that were entered while Rainbow is disabled are kept and used
      Given Rainbow is configured in OMC but not enabled
      And the power was cut
      When Rainbow is enabled by MMC
      Then the WSS link is up
